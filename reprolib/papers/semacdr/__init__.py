"""SemaCDR (WWW 2026): domain-agnostic item semantics from a language model, for two domains and their sequences."""
