"""The scale at which tables of vectors start, whatever their number of rows."""

from torch import nn

from reprolib.data.split import Split
from reprolib.nn.encoder import CausalEncoder


def start_tables(model: nn.Module, split: Split, *, id_std: float, position_std: float) -> None:
    """Draw a model's tables of items and users, and those of positions, anew from normal distributions.

    id_std, position_std  standard deviations; 0 leaves the tables as they are
    An encoder multiplies item vectors by √d before it adds positions, so both stand on one footing where
    √d · id_std = position_std. Rows of padding stay zero.
    """
    positions = [m.position for m in model.modules() if isinstance(m, CausalEncoder)]
    if position_std:
        for table in positions:
            nn.init.normal_(table.weight, std=position_std)
    if not id_std:
        return
    for table in model.modules():
        is_table = isinstance(table, nn.Embedding) and not any(table is p for p in positions)
        if is_table and table.num_embeddings in (split.n_items + 1, split.n_users):
            nn.init.normal_(table.weight, std=id_std)
            if table.padding_idx is not None:
                nn.init.zeros_(table.weight[table.padding_idx])
