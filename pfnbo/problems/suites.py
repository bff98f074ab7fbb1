"""Sets of problems to compare optimisers on, by name."""

_SAME = (
    *("ackley_constrained2", "ackley_constrained6", "ackley_constrained10"),
    *("gkxwc1", "gkxwc2", "jlh1", "jlh2", "keane18"),
    *("three_bar_truss", "welded_beam_deb"),
)

SUITES: dict[str, tuple[str, ...]] = {
    # All continuous, as their code is; the other seven are as their sources have them.
    "pfn4sbo": (
        *_SAME,
        *("spring", "pressure_vessel_cont", "concrete_beam_cont"),
        *("speed_reducer_cont", "heat_exchanger", "stepped_cantilever"),
        "car_side_impact_cont",
    ),
    # What the published code computes; stepped_cantilever has no feasible design.
    "pfn4sbo_as_released": (
        *_SAME,
        *("spring_as_released", "pressure_vessel_as_released"),
        *("concrete_beam_as_released", "speed_reducer_as_released"),
        *("heat_exchanger_as_released", "stepped_cantilever_as_released"),
        "car_side_impact_as_released",
    ),
    "mixed": (
        *("pressure_vessel", "speed_reducer", "concrete_beam_mixed"),
        *("coil_spring_mixed", "gear_train", "stepped_cantilever_mixed"),
        *("car_side_impact", "disk_clutch", "batch_plant", "process_synthesis7"),
    ),
    # First those that tell methods apart, from misleading to helpful cheap levels; then
    # two simulators, and cheap levels that tell nearly all.
    "fidelity": (
        *("forrester_misleading", "branin_adjustable60", "branin_unrelated"),
        *("branin_fidelity", "branin_three_levels", "paciorek_fidelity"),
        *("hartmann_adjustable70", "forrester_fidelity", "six_hump_camel_fidelity"),
        *("branin_augmented", "himmelblau_fidelity", "bohachevsky_fidelity"),
        *("heterogeneous_fidelity", "hartmann6_fidelity", "booth_fidelity"),
        *("forrester_jump", "portal_frame", "shock_isolator"),
        *("wing_weight_fidelity", "currin_fidelity", "borehole_fidelity"),
    ),
    "robust": (
        *("bertsimas_worst", "six_hump_camel_var", "branin_cvar"),
        *("branin_williams_mean", "branin_williams_var", "branin_williams_cvar"),
    ),
    # Measured or simulated by others; the tasks of XGBoost on which they test.
    "tables": (
        *("gb1", "tfbind8", "astrasim", "nasbench201_cifar10"),
        *("nasbench201_cifar100", "nasbench201_ImageNet16-120"),
        *(f"xgboost{task}" for task in range(34, 48)),
    ),
    # Simulated in NumPy, without another package.
    "physics": (*("truss10_static", "truss10_freq", "portal_frame", "shock_isolator"),),
}
