"""Recognisers of speech, interchangeable: one module each; `registry` names them."""
