"""Back end for any server that speaks the OpenAI chat protocol: OpenAI, vLLM, llama.cpp, Ollama, transformers serve."""

import email.utils
import math
import os
import re
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from reprolib.llm.task import LLMError, Refused, Reply, Task, TransportError, choice_json

# tried in this order; a server that refuses one gets the next
FORMATS = ("json_schema", "json_object", "text")
HARMLESS_KEY = "none"  # servers without a key still want a header


class OpenAIChat:
    """`model` behind `base_url`; the key is read from the environment variable `key_env` and stored nowhere else."""

    name = "openai"
    reads_input = False
    recorded = None

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        *,
        key_env: str = "OPENAI_API_KEY",
        workers: int = 16,
        timeout: float = 120.0,
        retries: int = 5,
        backoff: float = 1.0,
        cache: str | Path | None = None,
    ):
        if not model:
            raise ValueError(
                "openai back end: no model; write openai:MODEL or openai:MODEL@http://host:port/v1"
            )
        if base_url:
            _refuse_secret(base_url)
        self.model = model
        self.base_url = base_url
        self.key_env = key_env
        self.workers = workers
        self.timeout = timeout
        self.retries = retries
        self.backoff = backoff
        self.cache = cache
        self._format = 0
        self._limit_name = "max_tokens"
        self._lock = threading.Lock()
        self._connection = None

    @property
    def label(self) -> str:
        """Name for tables and manifests; never the address."""
        return f"openai:{self.model}"

    def __repr__(self) -> str:
        return f"OpenAIChat({self.model!r})"

    def send(self, messages: list[dict], task: Task) -> Reply:
        """One call. Raises TransportError (ask again), Refused (this input never) or LLMError (stop the job)."""
        import openai

        try:
            return self._call(messages, task)
        except openai.APIStatusError as error:
            problem = self._status_problem(error)
        except openai.APITimeoutError:
            problem = TransportError(f"no answer within {self.timeout:g} s")
        except openai.APIConnectionError as error:
            problem = TransportError(self._clean(f"connection failed ({_cause(error)})"))
        except (openai.APIError, ValueError, TypeError, AttributeError, LookupError) as error:
            problem = TransportError(
                self._clean(
                    f"the server's reply is not the OpenAI protocol ({type(error).__name__})"
                )
            )
        raise problem  # outside the except block: the original carries the request, and with it the key

    def body(self, messages: list[dict], task: Task, form: str = "json_schema") -> dict:
        """The request as the protocol writes it; batch files hold the same."""
        body = {
            "model": self.model,
            "messages": messages,
            "temperature": task.temperature,
            self._limit_name: 1 if task.choices else task.max_tokens,
        }
        if task.choices:
            body |= {"logprobs": True, "top_logprobs": 20}
        elif task.parse is None and form == "json_schema":
            name = re.sub(r"\W", "_", task.name)
            body["response_format"] = {
                "type": form,
                "json_schema": {"name": name, "schema": task.schema},
            }
        elif task.parse is None and form == "json_object":
            body["response_format"] = {"type": form}
        return body

    def _call(self, messages: list[dict], task: Task) -> Reply:
        import openai

        client = self._client()
        for form in range(self._format, len(FORMATS)):
            try:
                answer = client.chat.completions.create(**self.body(messages, task, FORMATS[form]))
            except openai.APIStatusError as error:
                if error.status_code not in (400, 422, 501):
                    raise
                if self._limit_name == "max_tokens" and "max_completion_tokens" in str(error):
                    self._limit_name = "max_completion_tokens"
                    return self._call(messages, task)
                if task.choices or task.parse or form == len(FORMATS) - 1:
                    raise
                continue
            if not (task.choices or task.parse):
                self._format = max(self._format, form)
            return self._reply(answer.model_dump(), task)
        raise AssertionError("unreachable")

    def _reply(self, answer: dict, task: Task) -> Reply:
        reply = read_completion(answer, task)
        return Reply(
            self._clean(reply.text), reply.prompt_tokens, reply.completion_tokens, reply.cut
        )

    def _client(self):
        with self._lock:
            if self._connection is None:
                try:
                    import openai
                except ImportError:
                    raise LLMError(
                        'the package openai is not installed; pip install "reprolib[llm]"'
                    ) from None
                self._connection = openai.OpenAI(
                    api_key=self._key(),
                    base_url=self.base_url or "https://api.openai.com/v1",
                    timeout=self.timeout,
                    max_retries=0,
                )
            return self._connection

    def _key(self) -> str:
        return os.environ.get(self.key_env) or HARMLESS_KEY

    def _clean(self, text: str) -> str:
        """A server may echo the key; nobody behind this line sees it."""
        key = self._key()
        if key == HARMLESS_KEY:
            return text
        return text.replace(key, "[key]")

    def _status_problem(self, error) -> LLMError:
        status = error.status_code
        reason = self._clean(_reason(error))
        if status in (401, 403):
            return LLMError(
                f"{self.label}: the server refuses the key ({status}); set {self.key_env} in the environment"
            )
        if status in (404, 405):
            return LLMError(
                f"{self.label}: the server knows no such model or address ({status}: {reason})"
            )
        if status in (408, 409, 429) or status >= 500:
            return TransportError(
                f"the server answered {status} ({reason})", _retry_after(error.response.headers)
            )
        return Refused(f"the server refuses this input ({status}: {reason})")


def read_completion(answer: dict, task: Task) -> Reply:
    """The reply inside a chat completion, live or from a batch file; raises LookupError where there is none."""
    choice = answer["choices"][0]
    usage = answer.get("usage") or {}
    tokens = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
    if task.choices:
        top = ((choice.get("logprobs") or {}).get("content") or [{}])[0].get("top_logprobs")
        if not top:
            raise LLMError(
                "the server returns no log-probabilities; use a back end that does (vLLM, OpenAI, hf:...)"
            )
        return Reply(
            choice_json(task.choices, {t["token"]: math.exp(t["logprob"]) for t in top}), *tokens
        )
    text = choice["message"].get("content") or ""
    return Reply(text, *tokens, cut=choice.get("finish_reason") == "length")


def _refuse_secret(base_url: str) -> None:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            "openai back end: the address is no http(s) URL; write openai:MODEL@http://host:port/v1"
        )
    if parts.username or parts.password or parts.query:
        raise ValueError(
            "openai back end: the address holds a user, password or query; put keys in the environment"
        )


def _retry_after(headers) -> float | None:
    """Seconds from the Retry-After header, which holds seconds or a date."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        if "GMT" not in value:
            return None
    when = email.utils.parsedate_to_datetime(value)
    return max(0.0, when.timestamp() - time.time())


def _reason(error) -> str:
    body = {}
    if isinstance(error.body, dict):
        body = error.body
    reason = str(body.get("message") or body.get("detail") or "no reason given")
    return " ".join(reason.split())[:300]


def _cause(error) -> str:
    if error.__cause__:
        return type(error.__cause__).__name__
    return "no cause given"
