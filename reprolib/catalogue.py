"""The papers, once: what every list of papers in the suite is made of. Nothing is imported here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Paper:
    """One reproduced paper.

    key        its room `reprolib/papers/<key>/`, its part of `figures/<profile>/`, the first part of its tasks' names
    name       what tables, systems and claims call it
    notebooks  first digits of its notebooks' numbers
    """

    key: str
    name: str
    title: str
    authors: str
    link: str
    notebooks: str


PAPERS = (
    Paper(
        "sphere",
        "SPHERE",
        "Breaking the Information Silo: Semantic Personas for Cross-Domain Recommendation",
        "Jonathan Mayo, Moshe Unger, Konstantin Bauman",
        "https://arxiv.org/abs/2606.01783",
        "1",
    ),
    Paper(
        "semacdr",
        "SemaCDR",
        "SemaCDR: LLM-Powered Transferable Semantics for Cross-Domain Sequential Recommendation",
        "Chunxu Zhang, Shanqiang Huang, Zijian Zhang, Jiahong Liu, Linsong Yu, Ruiqi Wan, Bo Yang, Irwin King",
        "https://doi.org/10.1145/3774904.3792651",
        "2",
    ),
    Paper(
        "persona_kg",
        "Persona-KG",
        "Leveraging LLMs and Heterogeneous Knowledge Graphs for Persona-Driven Session-Based Recommendation",
        "Muskan Gupta, Suraj Thapa, Jyotsana Khatri",
        "https://arxiv.org/abs/2604.06928",
        "3",
    ),
    Paper(
        "persona4rec",
        "PERSONA4REC",
        "Offline Reasoning for Efficient Recommendation: LLM-Empowered Persona-Profiled Item Indexing",
        "Deogyong Kim, Junseong Lee, Jeongeun Lee, Changho Kim, Junguel Lee, Jungseok Lee, Dongha Lee",
        "https://github.com/legenduck/PERSONA4REC",
        "4",
    ),
    Paper(
        "llm_edt",
        "LLM-EDT",
        "LLM-EDT: Large Language Model Enhanced Cross-domain Sequential Recommendation with Dual-phase Training",
        "Ziwei Liu, Qidong Liu, Wanyu Wang, Yejing Wang, Tong Xu, Wei Huang, Chong Chen, Peng Chuan, Xiangyu Zhao",
        "https://arxiv.org/abs/2511.19931",
        "5",
    ),
)
# parts of figures/<profile>/ in the order of the pages: foundations, papers, scorecard
PARTS = ("data", "protocol", "language", *(paper.key for paper in PAPERS), "scorecard")
