"""PERSONA4REC: personas of items, written offline by a language model, matched online by one dot product.

Stages in the paper's order: offline (Eq. 1-3), align (Eq. 4-5), encoder (Eq. 6-9), index (Eq. 8, 10), rerank.
"""
