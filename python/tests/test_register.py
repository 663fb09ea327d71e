"""Methods, scores, votes and domains written in Python."""

import unittest

import outthink
from toys import PROBLEM, Adder, Checker


class Threshold:
    """Draws N first steps and goes on with every path whose newest reward is above a threshold."""

    def __init__(self, plan, seed, above):
        self.paths, self.above, self.done = plan.budget, above, []

    def first(self):
        return [(0, self.paths)]

    def next(self, tree, grown):
        live = {}
        for node in (child for own in grown for child in own.children):
            if tree[node].reward > self.above:
                if tree[node].stop == "answer":
                    self.done += [node] if node not in self.done else []
                elif tree[node].stop is None:
                    live[node] = live.get(node, 0) + 1
        return list(live.items())

    def kept(self):
        return self.done


class Methods(unittest.TestCase):
    def search(self, method, **options):
        return outthink.solve(PROBLEM, policy=Adder(), verifier=Checker(), method=method, budget=8, **options)

    def test_an_allocator_decides_where_samples_go(self):
        outthink.register_method("threshold", Threshold, parameters={"above": 0.5})
        self.assertIn("threshold", outthink.methods())
        outcome = self.search("threshold")
        self.assertEqual(outcome.answer, "14")
        self.assertTrue(all(reward > 0.5 for own in outcome.solutions for reward in own.rewards))
        everything = self.search("threshold:above=0.0")
        self.assertGreater(everything.samples, outcome.samples)
        self.assertEqual(everything.to_dict()["method"], "threshold:above=0.0")
        with self.assertRaisesRegex(outthink.InputError, "no parameter `below`"):
            self.search("threshold:below=1")

    def test_a_name_registered_again_is_what_it_was_registered_as_last(self):
        @outthink.register_method("again")
        class First(Threshold):
            def __init__(self, plan, seed):
                super().__init__(plan, seed, 0.5)

        before = self.search("again")

        @outthink.register_method("again")
        class Second(First):
            def kept(self):
                return self.done[:1]

        self.assertEqual(len(self.search("again").solutions), 1)
        self.assertGreater(before.samples, 1)

    def test_what_an_allocator_raises_or_gets_wrong_comes_out(self):
        def broken(name, **methods):
            own = type("Broken", (Threshold,), {"__init__": lambda self, plan, seed: Threshold.__init__(self, plan, seed, 0.5), **methods})
            outthink.register_method(name, own)
            return name

        def fail(self, *_):
            raise KeyError("mine")

        for place in ("__init__", "begin", "first", "next", "round", "kept"):
            with self.assertRaisesRegex(KeyError, "mine", msg=place):
                self.search(broken("broken", **{place: fail}))
        with self.assertRaisesRegex(TypeError, r"first\(\) must return"):
            self.search(broken("broken", first=lambda self: ["root"]))
        with self.assertRaisesRegex(outthink.RunError, "there is no node 99"):
            self.search(broken("broken", first=lambda self: [(99, 1)]))
        with self.assertRaisesRegex(outthink.RunError, "a round of 9 samples"):
            self.search(broken("broken", first=lambda self: [(0, 9)]))
        with self.assertRaisesRegex(TypeError, "has no kept"):
            outthink.register_method("broken", lambda plan, seed: type("None", (), {"first": 1, "next": 1})())
            self.search("broken")
        for name in ("beam", "Beam", "two words", ""):
            with self.assertRaises(outthink.InputError, msg=name):
                outthink.register_method(name, Threshold)

    def test_a_round_may_be_drawn_in_its_own_way(self):
        greedy = []

        class Policy(Adder):
            def extend(self, requests):
                greedy.extend(request.temperature == 0 for request in requests)
                return super().extend(requests)

        class Greedy(Threshold):
            def __init__(self, plan, seed):
                super().__init__(plan, seed, 0.0)

            def round(self):
                return {"greedy": True}

        outthink.register_method("greedily", Greedy)
        outthink.solve(PROBLEM, policy=Policy(), verifier=Checker(), method="greedily", budget=2)
        self.assertTrue(greedy and all(greedy))


class Selections(unittest.TestCase):
    def search(self, selection):
        return outthink.solve(PROBLEM, policy=Adder(0.4), verifier=Checker(), method="best-of-n", budget=16, selection=selection)

    def test_scores_and_votes_choose(self):
        @outthink.register_score("worst")
        def worst(signals):
            return -min(signals.rewards)

        @outthink.register_vote("rarest")
        def rarest(solutions, answers):
            counts = [0] * answers
            for answer, _, count in solutions:
                counts[answer] += count
            return [-count for count in counts]

        self.assertEqual(self.search("last-max").answer, "14")
        self.assertNotEqual(self.search("worst-max").answer, "14")
        outcome = self.search("last-rarest")
        fewest = min(sum(own.count for own in outcome.solutions if own.answer == answer) for answer in {own.answer for own in outcome.solutions})
        self.assertEqual(round(outcome.agreement * outcome.samples), fewest)
        pool = outthink.Pool.from_rows(
            {"problem": f"{p}?", "gold": "1", "text": rf"\boxed{{{1 if s < 3 else 2}}}", "rewards": [0.5]} for p in range(4) for s in range(5)
        )
        self.assertEqual((pool.accuracy("last-vote", n=5), pool.accuracy("last-rarest", n=5)), (1.0, 0.0))

    def test_what_they_raise_comes_out(self):
        outthink.register_vote("failing", lambda solutions, answers: {}["mine"])
        outthink.register_score("failing", lambda signals: {}["mine"])
        for selection in ("last-failing", "failing-vote"):
            with self.assertRaisesRegex(KeyError, "mine", msg=selection):
                self.search(selection)
        outthink.register_vote("failing", lambda solutions, answers: [])
        with self.assertRaisesRegex(TypeError, "returned 0 weights"):
            self.search("last-failing")
        outthink.register_vote("failing", lambda solutions, answers: [0.0] * answers)
        outthink.register_score("failing", lambda signals: None)
        self.assertIsNone(self.search("failing-vote").answer)
        with self.assertRaises(outthink.InputError):
            outthink.register_vote("vote", lambda solutions, answers: [])
        with self.assertRaises(outthink.InputError):
            outthink.register_score("other", lambda signals: 0, signal="colour")


class Domains(unittest.TestCase):
    def test_a_domain_is_known_by_its_name(self):
        @outthink.register_domain("parity")
        class Parity:
            def extract(self, problem, solution):
                return outthink.extract(solution)

            def group(self, problem, answers):
                return [int(answer) % 2 for answer in answers]

        self.assertIn("parity", outthink.domains())
        outcome = outthink.solve(PROBLEM, policy=Adder(0.3), budget=32, domain="parity", gold="100")
        self.assertEqual(outcome.correct, int(outcome.answer) % 2 == 0)
        self.assertGreaterEqual(outcome.agreement, 0.5)

        class Stubborn(Parity):
            def grade(self, problem, gold, answers):
                return [False for _ in answers]

        outthink.register_domain("parity", Stubborn())
        self.assertIs(outthink.solve(PROBLEM, policy=Adder(), budget=4, domain="parity", gold="14").correct, False)

    def test_a_study_runs_in_it(self):
        import tempfile

        @outthink.register_domain("strict")
        class Strict:
            def extract(self, problem, solution):
                return outthink.extract(solution)

            def grade(self, problem, gold, answers):
                if problem.startswith("!"):
                    raise KeyError("mine")
                return [gold == answer for answer in answers]

        with tempfile.TemporaryDirectory() as folder:
            recipe = {"name": "s", "dataset": "micro", "problems": 2, "policies": ["micro-24k"], "methods": ["majority"], "budgets": [4]}
            study = outthink.Study(recipe, domain="strict", store=f"{folder}/s.sqlite")
            self.assertEqual(study.run()["count"]["failed"], 0)
            self.assertEqual(len(study.results()) % 2, 0)


if __name__ == "__main__":
    unittest.main()
