"""The package itself: its documentation, its stubs, its program."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import outthink
from outthink import _native

ROOT = Path(__file__).resolve().parents[2]
SHOWN = [own for name in outthink.__all__ if inspect.isclass(own := getattr(outthink, name))]


def load_tests(loader, tests, pattern):
    """The examples of the documentation are tests."""
    for module in pkgutil.iter_modules(outthink.__path__, "outthink."):
        if module.name not in ("outthink._native", "outthink.__main__"):
            own = importlib.import_module(module.name)
            tests.addTests(doctest.DocTestSuite(own, globs={**vars(own), **vars(outthink)}))
    tests.addTests(doctest.DocTestSuite(outthink))
    return tests


class Package(unittest.TestCase):
    def test_all_that_is_shown_is_documented(self):
        for name in outthink.__all__:
            own = getattr(outthink, name)
            self.assertTrue(inspect.getdoc(own), name)
        for own in SHOWN:
            for name, member in inspect.getmembers(own):
                if not name.startswith("_") and own.__module__.startswith("outthink") and not issubclass(own, (tuple, Exception)):
                    self.assertTrue(inspect.getdoc(member) or not callable(member), f"{own.__name__}.{name}")

    def test_the_stub_has_what_the_extension_has(self):
        stub = ast.parse((Path(outthink.__file__).parent / "_native.pyi").read_text())
        written = {}
        for own in stub.body:
            if isinstance(own, ast.ClassDef):
                written[own.name] = {member.name for member in own.body if isinstance(member, ast.FunctionDef)}
            elif isinstance(own, ast.FunctionDef):
                written[own.name] = None
        public = {name for name in dir(_native) if not name.startswith("_")}
        self.assertEqual(public, set(written))
        for name, members in written.items():
            if members is not None:
                own = {member for member in vars(getattr(_native, name)) if not member.startswith("__")}
                self.assertEqual(own, {member for member in members if not member.startswith("__")}, name)

    def test_the_program_is_in_the_package(self):
        def program(*arguments):
            return subprocess.run([sys.executable, "-m", "outthink", *arguments], capture_output=True, text=True)

        self.assertIn(outthink.__version__, program("--version").stdout)
        graded = program("grade", "--gold", "1/2", "--prediction", "0.5")
        self.assertEqual((graded.returncode, "equal" in graded.stdout), (0, True))
        self.assertEqual(program("grade", "--gold", "1/2", "--prediction", "0.6").returncode, 1)
        self.assertEqual(program("solve", "").returncode, 2)
        self.assertEqual(program("sovle").returncode, 2)
        script = Path(sys.executable).with_name("outthink")
        if script.exists():
            self.assertEqual(subprocess.run([script, "--version"], capture_output=True, text=True).stdout, program("--version").stdout)

    def test_nothing_beside_the_standard_library_is_loaded(self):
        code = "import sys, outthink; print(*{name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names - {'outthink'})"
        with tempfile.TemporaryDirectory() as elsewhere:
            loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=elsewhere)
        # What site-packages load by themselves is not ours.
        self.assertEqual([name for name in loaded.stdout.split() if name in ("numpy", "pandas", "torch", "typing_extensions")], [])
        self.assertEqual(loaded.returncode, 0)

    def test_types_are_right(self):
        try:
            import mypy.api
        except ImportError:
            self.skipTest("mypy is not installed")
        told, errors, status = mypy.api.run(["--config-file", str(ROOT / "pyproject.toml"), str(ROOT / "python" / "outthink")])
        self.assertEqual(status, 0, told + errors)


class Answers(unittest.TestCase):
    def test_pairs_are_graded_as_on_the_command_line(self):
        verdict = outthink.grade(r"\frac12", "0.5")
        self.assertTrue(verdict)
        self.assertEqual((verdict.equal, bool(verdict.rule), bool(verdict.reason)), (True, True, True))
        self.assertFalse(outthink.grade("1", "2"))
        self.assertTrue(outthink.grade("18", "18", rules="gsm8k-strict"))
        with self.assertRaisesRegex(outthink.InputError, "unknown grader"):
            outthink.grade("1", "1", rules="mine")

    def test_rows_show_themselves(self):
        rows = outthink.Rows([{"text": "<b>", "n": 1.23456}] * 30)
        page = rows._repr_html_()
        self.assertTrue("&lt;b&gt;" in page and "1.235" in page and "and 10 more" in page)


if __name__ == "__main__":
    unittest.main()
