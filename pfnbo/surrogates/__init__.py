"""Models: each fits data and gives a posterior that predicts."""
