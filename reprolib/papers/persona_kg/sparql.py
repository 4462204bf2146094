"""Facts about resources of given labels from a SPARQL endpoint, a few labels a question."""

import json
from urllib.error import URLError
from urllib.parse import unquote, urlencode
from urllib.request import Request, urlopen

import pandas as pd

from reprolib.data.corpus import DataError

LABELS_A_QUESTION = 50
SECONDS = 60  # that an endpoint may take for one question
LARGEST_ANSWER = 2**25  # bytes
NAMESPACES = ("http://dbpedia.org/resource/", "http://dbpedia.org/ontology/")


def ask_endpoint(endpoint: str, labels: list[str], predicates: tuple[str, ...]) -> pd.DataFrame:
    """subject, relation, object: what the endpoint knows of resources with one of these English labels.

    endpoint    its address, e.g. https://dbpedia.org/sparql
    predicates  full URIs; others are not asked for
    DBpedia's own URIs become local names, as in `read_dbpedia`. Raises DataError where the endpoint gives no answer,
    a too large one, or none in SPARQL's JSON.
    """
    rows = []
    distinct = list(dict.fromkeys(label for label in labels if label))
    for start in range(0, len(distinct), LABELS_A_QUESTION):
        rows += _answers(
            endpoint, _question(distinct[start : start + LABELS_A_QUESTION], predicates)
        )
    return pd.DataFrame(rows, columns=["subject", "relation", "object"]).drop_duplicates()


def _question(labels: list[str], predicates: tuple[str, ...]) -> str:
    quoted = " ".join(f"{_literal(label)}@en" for label in labels)
    wanted = " ".join(f"<{uri}>" for uri in predicates)
    return (
        "SELECT ?s ?p ?o WHERE { "
        f"VALUES ?label {{ {quoted} }} VALUES ?p {{ {wanted} }} "
        "?s <http://www.w3.org/2000/01/rdf-schema#label> ?label . ?s ?p ?o . "
        'FILTER (!isLiteral(?o) || lang(?o) = "" || lang(?o) = "en") }'
    )


def _literal(text: str) -> str:
    """A title as a SPARQL string: data of others, so that nothing in it can end the string."""
    return json.dumps(" ".join(text.split()), ensure_ascii=False)


def _answers(endpoint: str, question: str) -> list[tuple[str, str, str]]:
    data = urlencode({"query": question, "format": "application/sparql-results+json"}).encode()
    request = Request(endpoint, data, {"Accept": "application/sparql-results+json"})
    try:
        with urlopen(request, timeout=SECONDS) as response:
            body = response.read(LARGEST_ANSWER + 1)
    except (URLError, OSError) as error:
        raise DataError(
            f"{endpoint}: no answer ({error}); try again, or give an N-Triples snapshot instead"
        ) from None
    if len(body) > LARGEST_ANSWER:
        raise DataError(f"{endpoint}: an answer above {LARGEST_ANSWER:,} bytes; use a snapshot")
    try:
        bindings = json.loads(body)["results"]["bindings"]
        return [tuple(_local(row[name]["value"]) for name in "spo") for row in bindings]
    except (ValueError, KeyError, TypeError):
        raise DataError(
            f"{endpoint}: the answer is not SPARQL's JSON; expected the address of a SPARQL endpoint"
        ) from None


def _local(value: str) -> str:
    for namespace in NAMESPACES:
        if value.startswith(namespace):
            return unquote(value.removeprefix(namespace))
    return value
