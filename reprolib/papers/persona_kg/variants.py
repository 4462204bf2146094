"""What is taken away from Persona-KG (sheet, section 9), and what its personas are compared with."""

ABLATIONS: dict[str, dict[str, object]] = {
    "": {},
    "user-item only": {"paths": "UIU"},
    "w/o item-item": {"paths": "UIU+UIFIU+UIEIU"},
    "w/o features": {"paths": "UIU+UIIU+UIEIU"},
    "w/o DBpedia": {"paths": "UIU+UIIU+UIFIU"},
    "random init": {"start": "random"},
    "DGI": {"persona": "dgi"},
    "mean pooling": {"persona": "mean"},
}
CONTROLS: dict[str, dict[str, object]] = {
    "true persona": {"persona": "oracle"},
    "shuffled persona": {"persona": "shuffled"},
    "random persona": {"persona": "random"},
    "random graph": {"rewired": True},
}
POSITIVE = "true persona"
NOT_UPDATED = {"": {}, "not updated": {"update": False}}
