"""Days that may come in one model: a block for each, expectations, risk, limits with a probability (docs/model.md section 11)."""
