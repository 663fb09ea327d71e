"""Studies, strategies and pools."""

import asyncio
import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import outthink
from toys import PROBLEM, SUM, Adder, Checker

ROOT = Path(__file__).resolve().parents[2]


def program(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "outthink", *arguments], capture_output=True, text=True, **options)


class Studies(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.recipe = {
            "name": "small",
            "dataset": "micro",
            "problems": 4,
            "policies": ["micro-24k"],
            "verifiers": ["micro-prm"],
            "methods": ["majority", "best-of-n", "beam"],
            "budgets": [2, 4],
            "store": f"{self.folder}/small.sqlite",
        }

    def test_a_study_is_that_of_the_command_line(self):
        told = []
        study = outthink.Study(self.recipe)
        status = study.run(progress=told.append)
        self.assertEqual((status["count"]["failed"], status["count"]["open"], status["capped"]), (0, 0, None))
        self.assertEqual(told[-1]["done"], status["done"])
        again = study.run()
        self.assertEqual((again["done"], again["count"]), (0, status["count"]))

        printed = program("export", "small", "--store", self.recipe["store"], "--format", "results")
        theirs = list(csv.DictReader(io.StringIO(printed.stdout)))
        rows = study.results()
        self.assertEqual([list(row) for row in theirs], [list(row) for row in rows])
        shown = lambda row: {name: str(own).lower() if isinstance(own, bool) else "" if own is None else str(own) for name, own in row.items()}
        same = ("policy", "verifier", "method", "n", "rule", "seed", "problem_id", "gold", "answer", "correct", "tokens_drawn")
        self.assertEqual([[row[name] for name in same] for row in theirs], [[shown(row)[name] for name in same] for row in rows])
        self.assertEqual({row["method"] for row in rows}, {"majority", "best-of-n", "beam"})
        self.assertEqual(outthink.Study.open(self.recipe["store"]).results(), rows)
        self.assertEqual(len(study.samples()), len(outthink.Study.open(self.recipe["store"], "small").samples()))
        self.assertIn("<html", study.report())

    def test_a_file_is_a_recipe_whose_fields_can_be_changed(self):
        store = f"{self.folder}/micro.sqlite"
        study = outthink.Study(ROOT / "recipes" / "micro.toml", store=store, problems=2, policies=["micro-24k"], methods=["cot"])
        study.run()
        self.assertEqual(set(study.results().column("method")), {"cot"})

    def test_a_run_stops_at_a_cap_and_goes_on(self):
        study = outthink.Study(self.recipe)
        self.assertEqual(study.run(max_seconds=1e-9)["capped"], "seconds")
        self.assertEqual(study.run()["count"]["open"], 0)

    def test_what_a_listener_raises_comes_out(self):
        def listen(status):
            raise KeyError("mine")

        with self.assertRaisesRegex(KeyError, "mine"):
            outthink.Study(self.recipe).run(progress=listen)

    def test_wrong_recipes_are_refused_and_leave_no_store(self):
        for change in ({"policies": ["micro-25k"]}, {"methods": ["beem"]}, {"budgets": []}, {"colour": "red"}, {"dataset": "nowhere.csv"}):
            with self.assertRaises(outthink.InputError, msg=change):
                outthink.Study(self.recipe, **change).run()
        self.assertFalse(os.path.exists(self.recipe["store"]))
        with self.assertRaises(outthink.InputError):
            outthink.Study("nowhere.toml")
        with self.assertRaises(outthink.InputError):
            outthink.Study.open(f"{self.folder}/nowhere.sqlite")


class Strategies(unittest.TestCase):
    FILE = ROOT / "docs" / "micro-strategy" / "strategy-micro-0.3m.toml"

    def test_a_strategy_is_that_of_the_command_line(self):
        printed = program("solve", "--strategy", str(self.FILE), "--budget", "16", SUM, "--json")
        strategy = outthink.Strategy.load(self.FILE)
        outcome = strategy.solve(SUM, budget=16)
        self.assertEqual(outcome.to_dict(), json.loads(printed.stdout))
        self.assertEqual(outcome.answer, "128")
        self.assertTrue(outcome.reason and outcome.choice and 0 <= outcome.confidence <= 1)
        awaited = asyncio.run(strategy.solve_async(SUM, budget=16))
        self.assertEqual(awaited.to_dict(), outcome.to_dict())

    def test_a_builtin_one_takes_any_models(self):
        strategy = outthink.Strategy.load("paper", policy="micro-90k", verifier="micro-prm")
        self.assertEqual(strategy.solve(SUM, gold="128").correct, True)

    def test_a_builtin_one_takes_objects(self):
        class Large(Adder):
            parameters = 8_000_000_000

        class Even:
            def score(self, prefixes):
                return [[0.5] * len(prefix.steps) for prefix in prefixes]

        for policy, problem in ((Large(), PROBLEM), (outthink.load_policy("micro-90k"), SUM)):
            outcome = outthink.Strategy.load("search-and-learn", policy=policy, verifier=Even()).solve(problem, budget=16)
            self.assertTrue(outcome.choice and outcome.samples <= 16)
        outcome = outthink.Strategy.load("paper", policy=Large(), verifier=Checker()).solve(PROBLEM, gold="14")
        self.assertEqual((outcome.answer, outcome.correct), ("14", True))
        named = outthink.Strategy.load("paper", policy="micro-90k", verifier="micro-prm").solve(SUM)
        loaded = outthink.load_policy("micro-90k"), outthink.load_verifier("micro-prm")
        given = outthink.Strategy.load("paper", policy=loaded[0], verifier=loaded[1]).solve(SUM)
        self.assertEqual(given.to_dict()["solutions"], named.to_dict()["solutions"])
        with self.assertRaisesRegex(outthink.InputError, "needs a verifier"):
            outthink.Strategy.load("paper", policy=Large()).solve(PROBLEM)
        with self.assertRaisesRegex(outthink.InputError, "size"):
            outthink.Strategy.load("paper", policy=Adder(), verifier=Checker()).solve(PROBLEM)
        with self.assertRaises(TypeError):
            outthink.Strategy.load("paper", policy=7)

    def test_a_file_takes_the_models_that_it_was_fitted_with(self):
        models = outthink.load_policy("micro-0.3m"), Checker()
        with self.assertRaises(outthink.InputError):
            outthink.Strategy.load(self.FILE, policy=Adder(), verifier=models[1]).solve(SUM, budget=16)

    def test_what_is_no_strategy_is_refused(self):
        with self.assertRaises(outthink.InputError):
            outthink.Strategy.load("nowhere.toml")
        with self.assertRaises(outthink.InputError):
            outthink.Strategy.load(self.FILE).solve(SUM, budget=-1)


def rows(problems=12, samples=8):
    """The first half of the samples of a problem is right where its number is even, and has the better rewards."""
    for problem in range(problems):
        for sample in range(samples):
            right = sample < samples // 2 if problem % 2 == 0 else sample == 0
            yield {
                "problem_id": f"p{problem}",
                "problem": f"What is {problem} + {problem + 3}?",
                "gold": str(2 * problem + 3),
                "policy": "mine",
                "steps": [f"I add {problem} and {problem + 3} in way {sample}.", rf"It is \boxed{{{2 * problem + 3 if right else -sample}}}."],
                "rewards": {"prm": [0.5, 0.9 if right else 0.3 - sample / 100]},
            }


class Pools(unittest.TestCase):
    def test_every_rule_is_read_at_every_number_of_samples(self):
        pool = outthink.Pool.from_rows(rows())
        self.assertEqual((len(pool), pool.policies, pool.verifiers), (96, ["mine"], ["prm"]))
        best = pool.accuracy("last-max", n=8)
        self.assertEqual((best, best.problems), (1.0, 12))
        single = pool.accuracy("pass", n=1)
        self.assertAlmostEqual(single, (0.5 + 0.125) / 2)
        self.assertTrue(single.low <= single <= single.high)
        # Three of eight at random: at least one of four, or of one, is right.
        self.assertAlmostEqual(pool.accuracy("pass", n=3), ((1 - 4 / 56) + 3 / 8) / 2)
        self.assertEqual(pool.accuracy("last-max", n=3), pool.accuracy("pass", n=3))
        self.assertLess(pool.accuracy("majority", n=8), best)

    def test_rows_go_out_as_they_came_in(self):
        pool = outthink.Pool.from_rows(rows())
        out = pool.to_rows()
        self.assertEqual(len(out), 96)
        self.assertEqual(out[0]["steps"], next(rows())["steps"])
        again = outthink.Pool.from_rows(out)
        self.assertEqual(again.accuracy("last-vote", n=4), pool.accuracy("last-vote", n=4))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "pool.jsonl"
            file.write_text("\n".join(json.dumps(row) for row in rows()))
            self.assertEqual(outthink.Pool.load(file).to_rows(), out)

    def test_frames_go_in_and_out(self):
        try:
            import pandas
        except ImportError:
            self.skipTest("pandas is not installed")
        pool = outthink.Pool.from_pandas(pandas.DataFrame(list(rows())))
        self.assertEqual(pool.accuracy("last-max", n=8), 1.0)
        self.assertEqual(len(pool.to_pandas()), 96)
        self.assertIn("accuracy", pool.results().to_pandas().columns)
        again = outthink.Pool.from_pandas(pool.to_pandas())
        self.assertEqual(again.to_rows(), pool.to_rows())

    def test_arrow_tables_go_in_and_out(self):
        try:
            import pyarrow
        except ImportError:
            self.skipTest("pyarrow is not installed")
        pool = outthink.Pool.from_arrow(pyarrow.Table.from_pylist(list(rows())))
        self.assertEqual(pool.accuracy("last-max", n=8), 1.0)
        table = pool.to_arrow()
        self.assertEqual(table.num_rows, 96)
        self.assertEqual(outthink.Pool.from_arrow(table).to_rows(), pool.to_rows())

    def test_data_sets_of_the_hub_go_in(self):
        try:
            import datasets
        except ImportError:
            self.skipTest("datasets is not installed")
        plain = outthink.Pool.from_rows(rows())
        by_problem = {}
        for row in rows():
            own = by_problem.setdefault(row["problem_id"], {"unique_id": row["problem_id"], "question": row["problem"], "ground_truth": row["gold"], "texts": [], "step_scores": []})
            own["texts"].append("\n\n".join(row["steps"]))
            own["step_scores"].append(row["rewards"]["prm"])
        wild = list(by_problem.values())
        # search-and-learn's names, those of other programs, and some that only their author knows.
        for names in (
            {"question": "problem", "ground_truth": "answer", "texts": "completions", "step_scores": "scores"},
            {"question": "prompt", "ground_truth": "gt", "texts": "responses", "step_scores": "prm_scores"},
            {"question": "frage", "ground_truth": "loesung", "texts": "antworten", "step_scores": "noten"},
        ):
            own = datasets.Dataset.from_list([{names.get(name, name): value for name, value in row.items()} for row in wild])
            ours = {"problem": "frage", "answer": "loesung", "completions": "antworten", "scores": "noten"}
            columns = ours if "frage" in own.column_names else None
            for set_ in (own, own.with_format("numpy"), own.to_iterable_dataset()):
                pool = outthink.Pool.from_rows(set_, columns=columns, policy="mine", verifier="prm")
                self.assertEqual((len(pool), pool.verifiers), (96, ["prm"]), names)
                for rule in ("last-vote", "majority", "min-max"):
                    # Votes are averages over subsets that are drawn by what the samples are called.
                    self.assertAlmostEqual(pool.accuracy(rule, n=4), plain.accuracy(rule, n=4), delta=0.01, msg=(names, rule))
        with self.assertRaisesRegex(outthink.InputError, "a mapping of train"):
            outthink.Pool.from_rows(datasets.DatasetDict(train=own))

    def test_other_columns_do_no_harm(self):
        import datetime
        import decimal

        other = {"when": datetime.date(2026, 1, 1), "price": decimal.Decimal("1.5"), "raw": b"\xff", "made by": object(), "missing": None}
        pool = outthink.Pool.from_rows({**row, **other} for row in rows())
        self.assertEqual(pool.to_rows(), outthink.Pool.from_rows(rows()).to_rows())

    def test_what_a_pool_does_not_say_is_refused(self):
        pool = outthink.Pool.from_rows(rows())
        for arguments in (("last-vote", 9), ("lost-vote", 4), ("majority", 0)):
            with self.assertRaises(outthink.InputError, msg=arguments):
                pool.accuracy(*arguments)
        with self.assertRaisesRegex(outthink.InputError, "it has mine"):
            pool.accuracy("majority", n=4, policy="yours")
        two = list(rows()) + [{**row, "policy": "yours"} for row in rows()]
        with self.assertRaisesRegex(outthink.InputError, "mine, yours"):
            outthink.Pool.from_rows(two).accuracy("majority", n=4)
        for wrong in ([], [{"colour": "red"}], [{"problem": "?", "gold": "1", "steps": 7}]):
            with self.assertRaises(outthink.InputError, msg=wrong):
                outthink.Pool.from_rows(wrong)


if __name__ == "__main__":
    unittest.main()
