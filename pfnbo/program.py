"""External programs as objectives: arguments, JSON or an input file in, JSON out."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pfnbo.errors import EvaluationError, SettingError


class Program:
    """A program that is run once for each point.

    It runs in a folder of its own below `logs`, where its input, its output and what
    it wrote stay. In its command and its template `{name}` stands for the value of a
    parameter, for nothing where that is not active, `{here}` for the folder that paths
    are relative to and `{folder}` for that of the run.

    Args:
        command: the program and its arguments.
        parameters: names of all parameters.
        here: the folder that the template is relative to.
        logs: the folder below which the runs are kept.
        json_input: whether the program reads the parameters as JSON on its standard
            input.
        template: input file whose copy, filled in, the program finds in its folder.
        output: file that it writes its result into, its standard output if None.
        timeout: seconds after which a run is ended.
        retries: further runs after one that failed.

    Raises:
        SettingError: when a parameter would not reach the program.
    """

    def __init__(
        self,
        command: list[str],
        parameters: list[str],
        *,
        here: Path,
        logs: Path,
        json_input: bool = False,
        template: str | None = None,
        output: str | None = None,
        timeout: float | None = None,
        retries: int = 0,
    ) -> None:
        """Read the template and look for every parameter."""
        self.command, self.here, self.logs = command, here.absolute(), logs.absolute()
        self.json_input, self.output = json_input, output
        self.timeout, self.retries = timeout, retries
        self.template = self._read(template)
        text = " ".join([*command, *self.template.values()])
        lost = [name for name in parameters if f"{{{name}}}" not in text]
        if lost and not json_input:
            raise SettingError(
                f"the parameters {lost} do not reach the program: write "
                f"'{{{lost[0]}}}' in the command or the template, or input = \"json\"."
            )
        self._nothing = dict.fromkeys(parameters, "")
        self._running: set[subprocess.Popen] = set()

    def __call__(self, x: Mapping[str, Any]) -> Any:
        """Return what the program says of a point.

        Raises:
            EvaluationError: when every run failed; with the reason of the last.
        """
        for _ in range(self.retries):
            with contextlib.suppress(EvaluationError):
                return self._once(x)
        return self._once(x)

    def end(self) -> None:
        """Kill all runs under way and what they started."""
        for process in list(self._running):
            _kill(process)

    def _read(self, template: str | None) -> dict[str, str]:
        if template is None:
            return {}
        try:
            return {Path(template).name: (self.here / template).read_text()}
        except OSError as error:
            raise SettingError(
                f"template {self.here / template} can't be read: {error.strerror}."
            ) from error

    def _once(self, x: Mapping[str, Any]) -> Any:
        folder = _new_folder(self.logs)
        (folder / "point.json").write_text(json.dumps(x, default=repr))
        words = self._nothing | dict(x) | {"here": self.here, "folder": folder}
        for name, text in self.template.items():
            (folder / name).write_text(_filled(text, words))
        self._run([_filled(word, words) for word in self.command], folder)
        return self._result(folder)

    def _run(self, command: list[str], folder: Path) -> None:
        paths = folder / "stdout.txt", folder / "stderr.txt"
        with open(paths[0], "wb") as out, open(paths[1], "wb") as err:
            with open(folder / "point.json", "rb") as point:
                try:
                    process = subprocess.Popen(
                        command,
                        cwd=folder,
                        stdin=point if self.json_input else subprocess.DEVNULL,
                        stdout=out,
                        stderr=err,
                        start_new_session=True,
                    )
                except OSError as error:
                    raise SettingError(
                        f"{command[0]} can't be run: {error.strerror}. Programs of "
                        "your own are written {here}/NAME."
                    ) from error
            self._wait(process)
        if process.returncode:
            said = paths[1].read_text(errors="replace").strip().splitlines()
            raise EvaluationError(
                f"exit code {process.returncode}: {said[-1] if said else 'no message'}"
                f" ({folder})"
            )

    def _wait(self, process: subprocess.Popen) -> None:
        self._running.add(process)
        try:
            process.wait(self.timeout)
        except subprocess.TimeoutExpired:
            raise EvaluationError(
                f"took longer than {self.timeout:g} s and was ended"
            ) from None
        finally:
            if process.poll() is None:  # Ctrl-C too
                _kill(process)
            self._running.discard(process)

    def _result(self, folder: Path) -> Any:
        file = folder / (self.output or "stdout.txt")
        try:
            text = file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise EvaluationError(f"{file} can't be read: {error}") from error
        last = text if self.output else text.rpartition("\n")[2]
        try:
            return _outcome(json.loads(last))
        except (ValueError, TypeError):
            raise EvaluationError(
                f"the result is {last[-200:]!r}: wanted a number or a line of JSON "
                f'such as {{"f": 1.5, "g": {{"stress": -0.2}}}} ({file})'
            ) from None


def _outcome(given: Any) -> Any:
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        return float(given)
    if not isinstance(given, dict) or "f" not in given:
        raise TypeError
    return {"f": given["f"], "g": given.get("g")}


def _filled(text: str, words: Mapping[str, Any]) -> str:
    for name, value in words.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


def _new_folder(logs: Path) -> Path:
    """Make the next numbered folder, which no other process has."""
    logs.mkdir(parents=True, exist_ok=True)
    number = 1 + max(
        (int(p.name) for p in logs.iterdir() if p.name.isdigit()), default=0
    )
    while True:
        folder = logs / f"{number:04d}"
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def _kill(process: subprocess.Popen) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (AttributeError, OSError):  # Windows, or it has ended
        process.kill()
    process.wait()
