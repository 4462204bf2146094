"""The axes of behaviour that the embedded annotator chooses from. Poles complete the sentence "This person ..."."""

_ROWS = (
    (
        "novelty",
        "keeps to what is familiar and comforting",
        "seeks surprise, novelty and strong stimulation",
        "How much the unfamiliar attracts.",
    ),
    (
        "control",
        "likes to be guided and told what to do",
        "wants to decide, plan and stay in control",
        "Who should set the course.",
    ),
    (
        "conflict",
        "prefers harmony, kindness and peace",
        "enjoys conflict, rivalry and confrontation",
        "How much tension between people is welcome.",
    ),
    (
        "complexity",
        "wants light, simple and easy enjoyment",
        "wants complex, demanding and thoughtful depth",
        "How much effort an experience may ask for.",
    ),
    (
        "company",
        "enjoys things alone and in quiet",
        "enjoys things together with friends and family",
        "With whom experiences are sought.",
    ),
    (
        "intensity",
        "looks for calm, gentle and relaxing moods",
        "looks for intense, dark and disturbing moods",
        "How strong the feelings may become.",
    ),
    (
        "imagination",
        "stays with real facts and everyday life",
        "drifts into imagined, magical and impossible worlds",
        "How far from reality the experience may go.",
    ),
    (
        "tempo",
        "takes time and enjoys slow development",
        "wants speed, action and quick rewards",
        "The preferred pace.",
    ),
    (
        "humour",
        "takes things seriously",
        "wants to laugh and likes playful silliness",
        "How playful the tone should be.",
    ),
    (
        "tradition",
        "is nostalgic and loves classics",
        "follows what is modern and experimental",
        "Old and proven against new.",
    ),
    (
        "thrift",
        "looks for a bargain and value for money",
        "pays more for premium quality",
        "How price and quality are weighed.",
    ),
    (
        "use",
        "judges by practical usefulness",
        "judges by beauty and style",
        "Whether function or form decides.",
    ),
    (
        "hope",
        "is drawn to tragedy and sorrow",
        "is drawn to hope and happy endings",
        "The outlook that is preferred.",
    ),
    (
        "mastery",
        "unwinds and wants no pressure",
        "trains skills and wants a hard challenge",
        "Rest against achievement.",
    ),
    (
        "care",
        "thinks first of personal pleasure",
        "chooses for children, family and others in need",
        "For whom choices are made.",
    ),
    (
        "detail",
        "cares for the overall impression",
        "notices craft, precision and small details",
        "How closely things are inspected.",
    ),
    (
        "judgement",
        "trusts recommendations and popular opinion",
        "forms an independent and critical opinion",
        "Whose opinion counts.",
    ),
    (
        "loyalty",
        "samples many things and moves on",
        "stays committed for a long time and wants more of the same",
        "How long attachments last.",
    ),
    (
        "impulse",
        "plans ahead and compares carefully",
        "follows the mood and decides on impulse",
        "How choices come about.",
    ),
    (
        "display",
        "keeps preferences modest and private",
        "likes to show taste and impress others",
        "Whether choices are made to be seen.",
    ),
)
BANK = tuple(
    dict(zip(("name", "low_pole", "high_pole", "definition"), row, strict=True)) for row in _ROWS
)
