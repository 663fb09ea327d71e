"""One problem, with models by name and of one's own."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

import outthink
from toys import PROBLEM, SUM, Adder, Checker

FAMILIES = Path(__file__).resolve().parents[2] / "crates" / "outthink-engine" / "tests" / "families"
QUESTION = "Tom has 12 apples and buys 30 more. How many?"


def program(*arguments):
    return subprocess.run([sys.executable, "-m", "outthink", *arguments], capture_output=True, text=True)


class NamedModels(unittest.TestCase):
    def test_a_search_is_the_command_lines_to_the_last_digit(self):
        for options in (
            {"method": "dvts", "budget": 64, "verifier": "micro-prm", "seed": 3},
            {"method": "majority", "budget": 8},
            {"selection": "mean-max", "temperature": 0.5, "gold": "128"},
        ):
            flags = [word for name, value in options.items() for word in (f"--{name}", str(value))]
            printed = program("solve", SUM, "--policy", "micro-90k", "--json", *flags)
            outcome = outthink.solve(SUM, policy="micro-90k", **options)
            self.assertEqual(outcome.to_dict(), json.loads(printed.stdout), options)

    def test_what_is_said_of_an_outcome_fits_together(self):
        outcome = outthink.solve(SUM, policy="micro-90k", method="beam", budget=16, gold="128")
        self.assertEqual((outcome.answer, outcome.correct), ("128", True))
        self.assertEqual(outcome.solution.answer, outcome.answer)
        self.assertEqual(len(outcome.solution.rewards), len(outcome.solution.steps))
        self.assertEqual(outcome.usage["policy"], outcome.to_dict()["usage"]["policy"])
        tree = outcome.tree
        self.assertEqual(tree.steps(outcome.solution.node), [step for step in outcome.solution.steps])
        self.assertEqual([node["id"] for node in tree.to_dict()["nodes"]], list(range(len(tree))))
        for node in tree.path(outcome.solution.node):
            self.assertIn(node, tree[tree[node].parent].children)
        with self.assertRaises(IndexError):
            tree[len(tree)]
        self.assertIn("<iframe", outcome._repr_html_())

    def test_a_model_that_was_loaded_is_the_one_of_its_name(self):
        policy = outthink.load_policy("micro-90k", dtype="f32")
        verifier = outthink.load_verifier("micro-prm")
        by_name = outthink.solve(SUM, policy="micro-90k", verifier="micro-prm", budget=8)
        loaded = outthink.solve(SUM, policy=policy, verifier=verifier, budget=8)
        self.assertEqual(loaded.to_dict(), by_name.to_dict())
        self.assertGreater(policy.parameters, 80_000)
        with self.assertRaises(outthink.InputError):
            outthink.load_policy("micro-90k", colour="red")

    def test_thoughts_are_under_the_command_lines_control(self):
        folder = str(FAMILIES / "deepseek-r1-distill")
        told = {}
        for thinking in (None, "skip", "cap:tokens=5"):
            typed = ["--thinking", thinking] if thinking else []
            printed = program("solve", "--policy", folder, "--method", "majority", "--budget", "4", "--max-tokens", "200", *typed, QUESTION, "--json")
            options = {"method": "majority", "budget": 4, "max_tokens": 200}
            told[thinking] = outthink.solve(QUESTION, policy=folder, thinking=thinking, **options).to_dict()
            self.assertEqual(told[thinking], json.loads(printed.stdout), thinking)
            if thinking:
                held = outthink.load_policy(folder, thinking=thinking)
                self.assertEqual(outthink.solve(QUESTION, policy=held, **options).to_dict(), told[thinking])
                with self.assertRaisesRegex(outthink.InputError, "goes with a policy that is named"):
                    outthink.solve(QUESTION, policy=held, thinking=thinking, **options)
        self.assertEqual(len({json.dumps(own) for own in told.values()}), 3)
        with self.assertRaisesRegex(outthink.InputError, "unknown control of thinking"):
            outthink.solve(QUESTION, policy=folder, thinking="sometimes")

    def test_a_policy_may_be_its_own_verifier(self):
        folder = str(FAMILIES / "qwen2.5")
        options = ["--method", "best-of-n", "--budget", "2", "--max-tokens", "16"]
        printed = program("solve", "--policy", folder, "--verifier", "generative:self", *options, QUESTION, "--json")
        outcome = outthink.solve(QUESTION, policy=folder, verifier="generative:self", method="best-of-n", budget=2, max_tokens=16)
        self.assertEqual(outcome.to_dict(), json.loads(printed.stdout))

    def test_rewards_that_mean_nothing_are_warned_of(self):
        grid = outthink.problems("grid", 1)[0]["text"]
        with self.assertWarnsRegex(UserWarning, "its rewards mean nothing"):
            outthink.solve(grid, policy="grid-24k", verifier="micro-prm", method="best-of-n", budget=2)

    def test_errors_are_those_of_the_command_line(self):
        cases = [
            (outthink.ModelError, {"policy": "micro-91k"}, ["--policy", "micro-91k"]),
            (outthink.InputError, {"budget": 18, "width": 4, "method": "beam"}, ["--budget", "18", "--width", "4", "--method", "beam"]),
            (outthink.InputError, {"method": "majority", "selection": "last-vote"}, ["--method", "majority", "--selection", "last-vote"]),
            (outthink.InputError, {"policy": "grid-90k"}, ["--policy", "grid-90k"]),
        ]
        for kind, options, flags in cases:
            with self.assertRaises(kind) as raised:
                outthink.solve(SUM, **options)
            printed = program("solve", SUM, *flags)
            self.assertEqual(printed.returncode, 2)
            self.assertEqual(f"error: {raised.exception}", printed.stderr.strip().splitlines()[-1])
        for options in ({"method": "beem"}, {"temperature": -1.0}, {"top_p": 0.0}, {"max_tokens": 0}, {"domain": "chess"}):
            with self.assertRaises(outthink.InputError, msg=options):
                outthink.solve(SUM, policy="micro-24k", **options)
        with self.assertRaises(outthink.InputError):
            outthink.solve("  ")
        self.assertTrue(issubclass(outthink.ModelError, ValueError) and issubclass(outthink.RunError, outthink.Error))


class OwnModels(unittest.TestCase):
    def test_a_policy_and_a_verifier_are_searched_with(self):
        for method in ("beam", "dvts", "best-of-n", "rebase"):
            outcome = outthink.solve(PROBLEM, policy=Adder(), verifier=Checker(), method=method, budget=16, gold="14")
            self.assertEqual((outcome.answer, outcome.correct), ("14", True), method)
            self.assertEqual(outcome.solution.rewards, [0.9] * 4)
        again = outthink.solve(PROBLEM, policy=Adder(), verifier=Checker(), method="beam", budget=16, seed=1)
        same = outthink.solve(PROBLEM, policy=Adder(), verifier=Checker(), method="beam", budget=16, seed=1)
        other = outthink.solve(PROBLEM, policy=Adder(), verifier=Checker(), method="beam", budget=16, seed=2)
        self.assertEqual(again.tree.to_dict(), same.tree.to_dict())
        self.assertNotEqual(again.tree.to_dict(), other.tree.to_dict())

    def test_a_request_says_what_is_wanted(self):
        seen = []

        class Policy(Adder):
            def extend(self, requests):
                seen.extend(requests)
                return super().extend(requests)

        outthink.solve(
            PROBLEM, policy=Policy(errs=0), verifier=Checker(), method="beam", budget=8, temperature=0.25, top_p=0.5, max_tokens=99, id="p1"
        )
        first, last = seen[0], seen[-1]
        self.assertEqual((first.problem, first.id, first.steps, first.n, len(first.seeds)), (PROBLEM, "p1", [], 8, 8))
        self.assertEqual((first.until, first.temperature, first.top_p, first.top_k, first.max_tokens), ("step", 0.25, 0.5, 0, 99))
        self.assertEqual((last.steps[0], last.text.count("\n\n")), ("2 + 3 = 5", len(last.steps) - 1))

    def test_paths_without_tokens_have_seeds_of_their_own(self):
        seeds = []

        class Policy(Adder):
            def extend(self, requests):
                seeds.extend(seed for request in requests for seed in request.seeds)
                return super().extend(requests)

        outthink.solve(PROBLEM, policy=Policy(errs=0.5), verifier=Checker(), method="dvts", budget=16)
        self.assertEqual(len(set(seeds)), len(seeds))

    def test_texts_will_do_for_continuations(self):
        class Policy:
            def extend(self, requests):
                return [[r"so" "\n\n" r"\boxed{7}" if request.until == "answer" else r"\boxed{7}"] * request.n for request in requests]

        whole = outthink.solve("?", policy=Policy(), method="majority", budget=4)
        self.assertEqual((whole.answer, whole.solution.steps), ("7", ["so", r"\boxed{7}"]))
        stepwise = outthink.solve("?", policy=Policy(), verifier=Checker(), method="beam", budget=4)
        self.assertEqual((stepwise.answer, len(stepwise.solution.steps)), ("7", 1))

    def test_tokens_and_logprobs_are_counted_and_voted_with(self):
        class Policy:
            parameters = 1000

            def extend(self, requests):
                sure = outthink.Continuation(r"\boxed{1}", tokens=[1, 2], logprobs=[-0.1, -0.1])
                unsure = outthink.Continuation(r"\boxed{2}", tokens=[3, 4, 5], logprobs=[-2.0, -2.0, -2.0])
                return [[sure if seed % 3 == 0 else unsure for seed in request.seeds] for request in requests]

        by_count = outthink.solve("?", policy=Policy(), method="majority", budget=32)
        by_surety = outthink.solve("?", policy=Policy(), method="majority", budget=32, selection="likelihood-max")
        self.assertEqual((by_count.answer, by_surety.answer), ("2", "1"))
        drawn = sum(own.count * len(own.tokens[0]) for own in by_count.solutions)
        self.assertEqual(by_count.usage["policy"]["generated"], drawn)
        self.assertEqual(by_count.usage["flops_paper"], 2 * 1000 * drawn)

    def test_a_round_goes_on_without_samples_that_are_late_or_fail(self):
        class Slow(Adder):
            async def extend(self, requests):
                if requests[0].seeds[0] % 4 == 0:
                    await asyncio.sleep(600)
                if requests[0].seeds[0] % 4 == 1:
                    raise ConnectionError("gone")
                return super().extend(requests)

        outcome = outthink.solve(PROBLEM, policy=Slow(0), method="majority", budget=16, min_samples=2, round_seconds=0.2)
        self.assertEqual(outcome.answer, "14")
        # Those that are lost are cut off, and say nothing.
        self.assertTrue(2 <= outcome.solution.count < 16)
        with self.assertRaisesRegex(ConnectionError, "gone"):
            outthink.solve(PROBLEM, policy=Slow(0), method="majority", budget=16, min_samples=16, round_seconds=0.2)
        for wrong in ({"min_samples": 0}, {"round_seconds": 0.0}):
            with self.assertRaises(outthink.InputError, msg=wrong):
                outthink.solve(PROBLEM, policy=Adder(), method="majority", **wrong)

    def test_coroutines_are_awaited(self):
        class Policy(Adder):
            async def extend(self, requests):
                await asyncio.sleep(0.001)
                return super().extend(requests)

        class Verifier(Checker):
            async def score(self, prefixes):
                await asyncio.sleep(0.001)
                return super().score(prefixes)

        expected = outthink.solve(PROBLEM, policy=Adder(), verifier=Checker(), method="beam", budget=8).to_dict()
        self.assertEqual(outthink.solve(PROBLEM, policy=Policy(), verifier=Verifier(), method="beam", budget=8).to_dict(), expected)

        async def within():
            # In a running loop, as in a notebook, both ways work.
            blocking = outthink.solve(PROBLEM, policy=Policy(), verifier=Verifier(), method="beam", budget=8)
            awaited = await outthink.solve_async(PROBLEM, policy=Policy(), verifier=Verifier(), method="beam", budget=8)
            return blocking.to_dict(), awaited.to_dict()

        self.assertEqual(asyncio.run(within()), (expected, expected))

    def test_searches_that_are_awaited_run_at_once_in_the_callers_loop(self):
        loops, together = set(), []

        class Policy(Adder):
            async def extend(self, requests):
                loops.add(asyncio.get_running_loop())
                together.append(1)
                while len(together) < 8:  # until all eight have asked
                    await asyncio.sleep(0)
                return super().extend(requests)

        async def all_of_them():
            searches = [outthink.solve_async(PROBLEM, policy=Policy(), method="majority", budget=2, seed=seed) for seed in range(8)]
            await asyncio.gather(*searches)
            return asyncio.get_running_loop()

        self.assertEqual({asyncio.run(all_of_them())}, loops)

    def test_what_a_callback_raises_comes_out_as_itself(self):
        class Odd(Exception):
            pass

        def failing(method):
            class Failing:
                pass

            def fail(self, asked):
                raise Odd("mine")

            async def fail_later(self, asked):
                await asyncio.sleep(0)
                raise Odd("mine")

            setattr(Failing, method[0], fail_later if method[1] else fail)
            return Failing()

        for later in (False, True):
            with self.assertRaisesRegex(Odd, "^mine$"):
                outthink.solve(PROBLEM, policy=failing(("extend", later)), method="majority", budget=2)
            with self.assertRaisesRegex(Odd, "^mine$"):
                outthink.solve(PROBLEM, policy=Adder(), verifier=failing(("score", later)), method="beam", budget=4)
        with self.assertRaisesRegex(Odd, "^mine$"):
            asyncio.run(outthink.solve_async(PROBLEM, policy=failing(("extend", True)), method="majority", budget=2))

        def progress(*_):
            raise Odd("mine")

        with self.assertRaisesRegex(Odd, "^mine$"):
            outthink.solve(PROBLEM, policy=Adder(), method="majority", budget=2, progress=progress)

    def test_what_callbacks_return_is_checked(self):
        def policy(returned):
            return type("Policy", (), {"extend": lambda self, requests: returned})()

        def verifier(returned):
            return type("Verifier", (), {"score": lambda self, prefixes: returned})()

        for returned in (None, 7, "text", [None], ["text"], [[7]], [[b"text", b"text"]]):
            with self.assertRaisesRegex(TypeError, r"extend\(\) of Policy must return", msg=returned):
                outthink.solve("?", policy=policy(returned), method="majority", budget=2)
        for returned in ([], [["a"]], [["a", "b"], ["c"]]):
            with self.assertRaisesRegex(outthink.RunError, "the policy returned", msg=returned):
                outthink.solve("?", policy=policy(returned), method="majority", budget=2)
        for returned in (None, [0.5], [["x"]], [None]):
            with self.assertRaisesRegex(TypeError, r"score\(\) of Verifier must return", msg=returned):
                outthink.solve(PROBLEM, policy=Adder(), verifier=verifier(returned), method="beam", budget=2)
        for returned in ([], [[]] * 9, [[1.5]], [[float("nan")]]):
            with self.assertRaisesRegex(outthink.RunError, "the verifier returned", msg=returned):
                outthink.solve("What is 2 + 3?", policy=Adder(0), verifier=verifier(returned), method="beam", budget=1)
        with self.assertRaisesRegex(TypeError, "extend"):
            outthink.solve("?", policy=object())
        with self.assertRaisesRegex(TypeError, "score"):
            outthink.solve("?", policy=Adder(), verifier=object())
        with self.assertRaisesRegex(ValueError, "step, answer or length"):
            outthink.Continuation("text", "stop")
        with self.assertRaisesRegex(ValueError, "one list a step"):
            outthink.Continuation(["a", "b"], tokens=[1, 2])

    def test_a_policy_that_only_writes_whole_answers_is_not_asked_for_steps(self):
        class Chat(Adder):
            takes_steps = False

        outcome = outthink.solve(PROBLEM, policy=Chat(), verifier=Checker(), budget=8)
        self.assertEqual((outcome.answer, outcome.plan), ("14", "8 solutions"))
        with self.assertRaisesRegex(outthink.InputError, "searches over steps"):
            outthink.solve(PROBLEM, policy=Chat(), verifier=Checker(), method="beam")
        with self.assertRaisesRegex(outthink.InputError, "needs a verifier"):
            outthink.solve(PROBLEM, policy=Adder(), method="beam")

    def test_a_domain_is_an_object(self):
        class Letters:
            def extract(self, problem, solution):
                return solution.rpartition("word:")[2].strip() or None

            async def group(self, problem, answers):
                return [hash("".join(sorted(answer))) % 1000 for answer in answers]

        class Speaker:
            def extend(self, requests):
                words = ["listen", "silent", "tinsel", "lentils"]
                return [[f"word: {words[seed % 4]}" for seed in request.seeds] for request in requests]

        outcome = outthink.solve("Which word?", policy=Speaker(), domain=Letters(), budget=32, gold="enlist")
        self.assertNotEqual(outcome.answer, "lentils")
        self.assertTrue(outcome.correct and outcome.agreement > 0.5)

        class Broken(Letters):
            def extract(self, problem, solution):
                raise KeyError("mine")

        with self.assertRaisesRegex(KeyError, "mine"):
            outthink.solve("Which word?", policy=Speaker(), domain=Broken(), budget=4)

    def test_a_callback_may_search_itself(self):
        class Nested:
            def extend(self, requests):
                inner = outthink.solve(SUM, policy="micro-0.3m", budget=4)
                return [[rf"\boxed{{{inner.answer}}}"] * request.n for request in requests]

        self.assertEqual(outthink.solve("?", policy=Nested(), budget=2).answer, "128")


class Waiting(unittest.TestCase):
    def test_other_threads_of_python_run_while_rust_searches(self):
        outcomes = []
        search = threading.Thread(target=lambda: outcomes.append(outthink.solve(SUM, policy="micro-0.3m", budget=256)))
        search.start()
        turns = 0
        while search.is_alive():
            turns += 1
            time.sleep(0.001)
        # With Python's lock held, this thread would not have got a turn before the end.
        self.assertGreater(turns, 10)
        self.assertEqual(outcomes[0].answer, "128")

    @unittest.skipIf(os.name == "nt", "signals are those of Unix")
    def test_an_interrupt_ends_a_search(self):
        for policy in ("slow", "later"):
            code = (
                "import asyncio, os, signal, threading, time, outthink\n"
                "class Policy:\n"
                + (
                    "    def extend(self, requests):\n        time.sleep(600)\n"
                    if policy == "slow"
                    else "    async def extend(self, requests):\n        await asyncio.sleep(600)\n"
                )
                + "threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
                "try:\n    outthink.solve('?', policy=Policy(), budget=2)\n"
                "except KeyboardInterrupt:\n    print('interrupted')\n"
            )
            told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
            self.assertEqual((told.stdout, told.returncode), ("interrupted\n", 0), told.stderr)

    def test_a_task_that_is_cancelled_ends_its_search(self):
        ended = threading.Event()

        class Policy:
            async def extend(self, requests):
                try:
                    await asyncio.sleep(600)
                except asyncio.CancelledError:
                    ended.set()
                    raise

        async def cancelled():
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(outthink.solve_async("?", policy=Policy(), budget=2), 0.2)
            while not ended.is_set():
                await asyncio.sleep(0.01)

        asyncio.run(cancelled())
        self.assertTrue(ended.is_set())

    def test_progress_ends_with_all_samples(self):
        told = []
        outthink.solve(PROBLEM, policy=Adder(), method="majority", budget=12, progress=lambda *own: told.append(own))
        self.assertEqual(told[-1][0], 12)

    def test_wrong_options_are_pythons_errors(self):
        with self.assertRaises(TypeError):
            outthink.solve(SUM, colour="red")
        with self.assertRaises(TypeError):
            asyncio.run(outthink.solve_async(SUM, colour="red"))
        with self.assertRaises(TypeError):
            outthink.solve(SUM, budget="many")


if __name__ == "__main__":
    unittest.main()
