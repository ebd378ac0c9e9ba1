"""Any endpoint that speaks OpenAI's chat completions: OpenAI, vLLM, Ollama, OpenRouter, llama.cpp and others.

The key comes from OPENAI_API_KEY, goes into the client's memory and nowhere else. Lossmith does the retrying itself, so that all kinds of
trouble are treated alike: too many requests, an endpoint's own errors, lost connections, timeouts, answers that are no answers.

All calls run in one event loop, in a thread of its own, so that each has one deadline from its first byte to its last: the timeouts of a
client begin anew with every byte, and a server that sends one now and then would never be given up. Whoever asks waits in a thread, of
which a campaign has one for every program that is under way.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from archive.records import Fate
from sandbox.errors import ModelUnavailable, PrerequisiteMissing
from sandbox.randomness import derive
from synth.proposers.model import UNRECORDED, Answer, Log, PromptTooLong, Question
from synth.proposers.section import OPENAI, ProposerSection
from synth.quoting import one_line

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion

PLACEHOLDER: Final = "none"  # endpoints without keys want something there
LONGEST_WAIT: Final = 120.0  # seconds before a retry
TOO_LONG: Final = re.compile(r"context[_ ](length|window|size)|maximum context|too many tokens|n_ctx", re.IGNORECASE)
"""In the refusals of OpenAI, vLLM, Ollama and llama.cpp."""
SHORTER: Final = (
    "Give the model a longer context and `lossmith resume`, with --set proposer.max_tokens=… if answers leave no room; or start another "
    "campaign with a lower proposer.context_tokens or shorter templates."
)
PASSING: Final = frozenset({408, 409, 425, 429})  # and 5xx: try again


class _Trouble(Exception):
    """Something that may pass. `fate` is the try's; `wait` seconds were asked for, None if the endpoint asked for nothing."""

    def __init__(self, what: str, fate: Fate = "lost", wait: float | None = None) -> None:
        super().__init__(what)
        self.fate = fate
        self.wait = wait


class Endpoint:
    """Callable as `synth.proposers.model.Ask`. `sleep` is replaced in tests."""

    def __init__(self, section: ProposerSection, sleep: Callable[[float], None] = time.sleep) -> None:
        import openai

        key = os.environ.get("OPENAI_API_KEY", "").strip()
        if not key and section.base_url.rstrip("/") == OPENAI:
            raise PrerequisiteMissing("OpenAI wants a key.", "Put it into the environment: export OPENAI_API_KEY=…")
        self._section = section
        self._key = key or PLACEHOLDER
        self._sleep = sleep
        self._down = False  # it has just failed for good, and nothing has been heard of it since
        self._places = threading.Semaphore(section.concurrent)
        self._client = openai.AsyncOpenAI(api_key=self._key, base_url=section.base_url, timeout=section.timeout_seconds, max_retries=0)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="calls", daemon=True)
        self._thread.start()

    def __call__(self, question: Question, log: Log = UNRECORDED) -> Answer:
        """One answer, after as many retries as the section allows. ModelUnavailable after the last.

        After that, and until there is an answer again, a question is tried once: whoever asks has somebody else to turn to.
        """
        wait = self._section.retry_seconds
        for attempt in range(self._section.retries + 1):
            try:
                with self._places:
                    answer = self._tried(question, log).model_copy(update={"tries": attempt + 1})
                self._down = False
                return answer
            except _Trouble as trouble:
                last = trouble
            if self._down:
                break
            if attempt < self._section.retries:
                self._sleep(_wait(wait if last.wait is None else last.wait, derive(question.seed, "wait", attempt)))
                wait *= 2
        self._down = True
        raise ModelUnavailable(
            f"The endpoint {self._section.base_url} failed {times(attempt + 1)}, the last time with: {last}.",
            "Look after it, then `lossmith resume`: nothing that was answered is asked again.",
        )

    def close(self) -> None:
        """Lets go of connections and thread. Nobody may be waiting for an answer."""
        asyncio.run_coroutine_threadsafe(self._client.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _tried(self, question: Question, log: Log) -> Answer:
        """One try, written down."""
        log.begin()
        try:
            return self._once(question)
        except _Trouble as trouble:
            log.end(trouble.fate, str(trouble))
            raise
        except ModelUnavailable as fault:
            log.end("long" if isinstance(fault, PromptTooLong) else "refused", fault.message)
            raise

    def _once(self, question: Question) -> Answer:
        import openai

        try:
            return self._read(asyncio.run_coroutine_threadsafe(self._call(question), self._loop).result(), question)
        except openai.APIStatusError as error:
            raise self._status(error) from None  # the library's error holds the request, and with it the key
        except (openai.APITimeoutError, TimeoutError) as error:
            raise _Trouble(f"no answer within {self._section.timeout_seconds:g} seconds", _fate(error)) from None
        except openai.APIConnectionError as error:
            raise _Trouble(self._scrubbed(f"no connection ({error.__cause__ or error})"), _fate(error)) from None
        except (openai.OpenAIError, ValueError) as error:  # ValueError: a body that is no JSON
            raise _Trouble(self._scrubbed(f"an answer that is none ({type(error).__name__})")) from None

    async def _call(self, question: Question) -> ChatCompletion:
        async with asyncio.timeout(self._section.timeout_seconds):
            completion: ChatCompletion = await self._client.chat.completions.create(**self._request(question))
            return completion

    def _request(self, question: Question) -> dict[str, Any]:
        section = self._section
        limit = "max_completion_tokens" if section.base_url.rstrip("/") == OPENAI else "max_tokens"  # OpenAI's newer models know no other
        messages = [{"role": "system", "content": question.prompt.system}, {"role": "user", "content": question.prompt.user}]
        request: dict[str, Any] = {
            "model": section.model,
            "messages": messages,
            limit: section.max_tokens,
            "extra_body": dict(section.extra),
        }
        return request if section.temperature is None else {**request, "temperature": section.temperature}

    def _read(self, completion: ChatCompletion, question: Question) -> Answer:
        """The answer; the library checks little of what it is given, so what is not there is trouble."""
        try:
            choice = completion.choices[0]
            text = choice.message.content or choice.message.refusal or ""
            usage = completion.usage
            details = usage.prompt_tokens_details if usage else None
            return Answer(
                text=text,
                model=str(completion.model or ""),
                prompt_tokens=usage.prompt_tokens if usage else len(question.prompt.system + question.prompt.user) // 4,
                cached_tokens=(details.cached_tokens or 0) if details else 0,
                completion_tokens=usage.completion_tokens if usage else len(text) // 4,
                cut=choice.finish_reason == "length",
            )
        except (AttributeError, IndexError, TypeError, ValueError):
            raise _Trouble("an answer that is none") from None

    def _status(self, error: Any) -> Exception:
        what = self._scrubbed(f"status {error.status_code} ({error.message})")
        if error.status_code in PASSING or error.status_code >= 500:
            return _Trouble(what, "refused", _retry_after(error.response.headers.get("retry-after", "")))
        if error.status_code in {400, 413, 422} and TOO_LONG.search(f"{error.code} {error.message}"):
            return PromptTooLong(f"The model {self._section.model} cannot read so much: {what}.", SHORTER)
        return self._refused(error.status_code, what)

    def _refused(self, status: int, what: str) -> ModelUnavailable:
        """What another try would not change."""
        place = self._section.base_url
        if status in {401, 403}:
            return ModelUnavailable(f"The endpoint {place} refuses the key: {what}.", "Set OPENAI_API_KEY to a key that it knows.")
        if status == 404:
            remedy = "Correct proposer.model or base_url."
            return ModelUnavailable(f"The endpoint {place} has no model {self._section.model!r}: {what}.", remedy)
        return ModelUnavailable(
            f"The endpoint {place} refuses the request: {what}.", "Correct [proposer]: context_tokens, max_tokens, temperature, extra."
        )

    def _scrubbed(self, text: str) -> str:
        return one_line(text.replace(self._key, "…") if self._key != PLACEHOLDER else text, 300)


def times(count: int) -> str:
    """In words where there are any."""
    return "once" if count == 1 else f"{count} times"


def _fate(error: BaseException) -> Fate:
    """Of a try without a connection nothing can have been paid. By name: the library has changed whose errors these are."""
    return "refused" if type(error.__cause__).__name__ in {"ConnectError", "ConnectTimeout", "PoolTimeout"} else "lost"


def _wait(seconds: float, draw: int) -> float:
    """Up to half as long again, so that calls which failed together do not come back together; never longer than LONGEST_WAIT."""
    return min(LONGEST_WAIT, seconds * (1 + draw % 1000 / 2000))


def _retry_after(header: str) -> float | None:
    """Seconds from a Retry-After header: a number, or a date."""
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
