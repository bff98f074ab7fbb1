"""The words that priors are written in: random functions, designs, noise, tasks."""
