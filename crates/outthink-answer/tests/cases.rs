//! What is equal and what is not, class by class: the conventions that are documented, and what other graders get wrong.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod check;

use check::check;
use outthink_answer::{Answer, Conventions};

#[test]
fn choices() {
    check(&[
        (
            r"\text{(A)}",
            &[
                "A",
                "(A)",
                "A.",
                r"\textbf{(A)}",
                "a",
                r"\text{A}",
                r"\mathrm{(A)}",
            ],
            &["B", "A,C", r"\text{(A) and (C)}", "(B)", "5"],
        ),
        (
            "C",
            &["(C) 27", r"\text{(C) } 27", "C) 27 is wrong".split_at(1).0],
            &["27", "(D) 27"],
        ),
        (
            "27",
            &["(C) 27", r"\text{(C) }27", r"\textbf{(C) } 27"],
            &["(C)", "C", "(C) 28"],
        ),
    ]);
}

#[test]
fn numbers_and_their_separators() {
    check(&[
        (
            "10,000",
            &[
                "10000",
                "10{,}000",
                r"10,\!000",
                r"10\,000",
                "10 000",
                "1e4",
                r"10^4",
                r"1.0 \times 10^{4}",
                r"\$10,000",
            ],
            &["10,00", "1000", "10.000"],
        ),
        ("1,234", &["1234"], &["1, 2, 3, 4"]),
        ("(1,000)", &["(1, 0)", "(1,000)"], &["1000"]),
        (r"\{100,103\}", &[r"\{103, 100\}"], &["100103"]),
        ("2000", &[r"2\,000", "2,000", r"2\ 000"], &["2,00"]),
        (
            r"6.72\times10^{-5}",
            &["6.72e-5", ".0000672", "0.0000672", r"6.72 \cdot 10^{-5}"],
            &["6.72e-4", "6.7e-5"],
        ),
        ("27.0", &["27", "27.", r"\text{27}"], &["270", "2.7"]),
        ("025", &["25"], &["205"]),
        (
            r"0.\overline{3}",
            &[r"\frac13", r"0.\overline{33}", r"0.3\overline{3}"],
            &["0.3", "0.33"],
        ),
        (r"0.1\overline{6}", &[r"\frac{1}{6}"], &[r"\frac16 + 1"]),
        (
            r"\frac13",
            &["0.3333333", "0.33333333333"],
            &["0.33", "0.3333", "0.3333334000"],
        ),
        ("1.0000001", &[], &["1"]),
        ("8000", &[], &["8000.01"]),
        (
            r"\sqrt2",
            &["1.41421356", r"2^{1/2}", r"2^{0.5}", "√2"],
            &["1.414", "1.41421357", r"\pm\sqrt2"],
        ),
        ("3.142", &[r"\pi"], &["3.1", "22/7"]),
        ("-41", &["-41.", "−41", r"- 41", r"-\,41"], &["41", "--41"]),
        (
            r"1\frac45",
            &["9/5", "1 4/5", "1.8", r"1\,\frac{4}{5}"],
            &["4/5", r"1 \cdot \frac45"],
        ),
        (r"-3\frac{8}{9}", &[r"-\frac{35}{9}"], &[r"-\frac{19}{9}"]),
        (r"x\frac12", &["x/2"], &["x+1/2"]),
        (
            r"\frac{10}{4}",
            &["5/2", "2.5", r"2\frac12", r"{5 \over 2}", r"\cfrac{5}{2}"],
            &["2", "10.4"],
        ),
        (
            "5",
            &[
                "five",
                r"\text{five}",
                "Five",
                "5.0",
                "x=5",
                "5 = x",
                "(5)",
                "{5}",
                r"\boxed{5}",
                r"\mathbf{5}",
                "**5**",
            ],
            &["six", "x=6", r"\{5,8\}", ""],
        ),
        ("21", &["twenty-one"], &["twenty"]),
    ]);
}

#[test]
fn percentages_units_and_degrees() {
    check(&[
        (
            r"50\%",
            &["50%", "50 percent", "50", "0.5", r"\frac12", r"50.0\%"],
            &["5", r"5\%", "500"],
        ),
        ("50", &[r"50\%"], &["0.5"]),
        ("0.5", &[r"50\%"], &["50"]),
        (
            r"90^\circ",
            &[
                "90",
                "90°",
                r"90^{\circ}",
                r"90\degree",
                "90 degrees",
                r"90\text{ degrees}",
            ],
            &["89", "90^2"],
        ),
        (
            "5",
            &[
                "5 cm",
                r"5\text{ cm}",
                r"5\,\mathrm{cm}",
                r"5 \text{ square units}",
                r"\$5",
                "5 dollars",
                r"5\text{ cm}^2",
            ],
            &["6 cm", "5x"],
        ),
        (
            r"5\text{ m}",
            &[r"500\text{ cm}", "5", r"5\text{ meters}"],
            &[r"5\text{ cm}", r"5\text{ kg}"],
        ),
        (
            r"15\text{ cm}^2",
            &["15", r"15 \text{ square centimeters}"],
            &["15^2", "225"],
        ),
        ("15^2", &["225"], &[r"15\text{ cm}^2"]),
        (
            r"\$12.50",
            &["12.5", "12.50 dollars", r"12.50\text{ dollars}"],
            &["1250"],
        ),
        (
            r"5.4\text{ cents}",
            &["5.4 cents per stamp", "5.4¢"],
            &["54 cents"],
        ),
        (r"\sin 30^\circ", &["1/2", r"\cos 60°"], &[r"\sin 30"]),
        (r"30\text{ minutes}", &["0.5 hours", "30"], &["30 hours"]),
    ]);
}

#[test]
fn integers_in_other_bases() {
    check(&[
        (
            "52_8",
            &[
                "52_{8}",
                "(52)_8",
                r"52_\text{8}",
                r"52_{\text{eight}}",
                "52",
            ],
            &["52_9", "52_{10}", "42", "52^8", "42_{8}"],
        ),
        (
            "1A_{16}",
            &["1A_{16}", r"\text{1A}_{16}"],
            &["1B_{16}", "26"],
        ),
    ]);
}

#[test]
fn both_signs() {
    check(&[
        (
            r"3 \pm 2\sqrt2",
            &[
                r"3-2\sqrt2, 3+2\sqrt2",
                r"3 \mp 2\sqrt2",
                r"\frac{6 \pm \sqrt{32}}{2}",
                r"x = 3\pm2\sqrt2",
            ],
            &[r"3+2\sqrt2", r"\pm(3+2\sqrt2)"],
        ),
        (
            r"\pm 2",
            &[
                "2, -2",
                r"\{-2,2\}",
                "x=2 or x=-2",
                r"x = 2 \text{ or } x = -2",
            ],
            &["2", "-2", "(2,-2,0)"],
        ),
        (r"a \pm b", &["a+b, a-b"], &["a+b"]),
    ]);
}

#[test]
fn sets_lists_and_tuples() {
    check(&[
        (
            r"\{1,2,3\}",
            &[
                r"\{3, 2, 1\}",
                "1, 2, 3",
                r"\{1,2,2,3\}",
                "1, 2, and 3",
                r"x \in \{1,2,3\}",
            ],
            &[r"\{1,2\}", r"\{1,2,3,4\}", "(1,2,3)"],
        ),
        (
            "1,2",
            &["2,1", r"1 \text{ and } 2", "2 or 1"],
            &["1", "(1,2)", "1,3"],
        ),
        ("3,5,7", &["(3,5,7)", "7, 5, 3"], &["3,5"]),
        (
            "(1,2)",
            &[
                "1,2",
                r"\left(1,2\right)",
                "x=1, y=2",
                r"(x,y)=(1,2)",
                r"\begin{pmatrix}1\\2\end{pmatrix}",
                r"\langle 1,2\rangle",
                "<1,2>",
            ],
            &["(2,1)", r"\{1,2\}", "2,1", "[1,2]", "x=2,y=1"],
        ),
        ("(3,4)", &["y=4, x=3"], &["x=4, y=3"]),
        (
            r"\emptyset",
            &[r"\varnothing", r"\{\}", "∅", r"\text{no solution}"],
            &[r"\{0\}", "0"],
        ),
        (
            r"(-\sqrt3,\sqrt3)",
            &[],
            &[r"\pm\sqrt3", r"(\sqrt3,-\sqrt3)"],
        ),
    ]);
}

#[test]
fn intervals_and_inequalities() {
    check(&[
        (
            "(3,4]",
            &[
                r"3 < x \le 4",
                r"x\in(3,4]",
                "]3,4]",
                r"4 \ge x > 3",
                "3<y≤4",
            ],
            &["[3,4]", "(3,4)", "(4,3]", r"3 \le x \le 4"],
        ),
        ("(2,4)", &["2<x<4", "(2,4)"], &[r"\{2,4\}", "[2,4]"]),
        ("[2,4]", &[], &["(2,4)", r"\{2,4\}"]),
        (r"[1,2]\cup[2,3]", &["[1,3]"], &["[1,2]"]),
        (
            r"(-\infty,\infty)",
            &[r"\mathbb{R}", r"\text{all real numbers}", "ℝ"],
            &[r"(0,\infty)"],
        ),
        (
            r"(-\infty,2)\cup(2,\infty)",
            &[
                r"\mathbb{R}\setminus\{2\}",
                r"x \ne 2",
                r"x<2 \text{ or } x>2",
                r"(2,\infty)\cup(-\infty,2)",
            ],
            &[r"x \ne 3", r"\mathbb{R}"],
        ),
        (
            r"[3,\infty)",
            &[r"x \ge 3", "x >= 3", r"2x \geq 6", r"-x \le -3"],
            &["x > 3", r"x \le 3"],
        ),
        (r"(0,\sqrt2)", &[r"0<x<\sqrt2"], &["(0,2)"]),
        (r"y > 2x", &["2x < y", r"2y > 4x"], &["y < 2x", r"y \ge 2x"]),
        (r"\{x \mid x > 3\}", &[r"(3,\infty)"], &[r"[3,\infty)"]),
    ]);
}

#[test]
fn matrices() {
    check(&[
        (
            r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}",
            &[
                r"\begin{bmatrix}1&2\\3&4\end{bmatrix}",
                r"\left[\begin{array}{cc}1&2\\3&4\\\end{array}\right]",
                r"\frac12\begin{pmatrix}2&4\\6&8\end{pmatrix}",
                r"A = \begin{pmatrix}1&2\\3&4\end{pmatrix}",
            ],
            &[
                r"\begin{pmatrix}1&3\\2&4\end{pmatrix}",
                r"\begin{pmatrix}1&2\end{pmatrix}",
                "1,2,3,4",
            ],
        ),
        (
            r"\begin{pmatrix}1\\2\\3\end{pmatrix}",
            &["(1,2,3)", r"\langle 1,2,3 \rangle"],
            &["(3,2,1)", r"\begin{pmatrix}1&2&3\end{pmatrix}"],
        ),
    ]);
}

#[test]
fn equations_and_functions() {
    check(&[
        (
            "y=2x+3",
            &["2x-y+3=0", "f(x)=2x+3", "y = 3+2x", "4x - 2y = -6", "2x+3"],
            &["y=2x", "2x-y+3", "y=2x-3"],
        ),
        (
            "5x-7y+11z+4=0",
            &["-5x+7y-11z-4=0"],
            &["5x-7y+11z+4", "5x-7y+11z+4=1", "0"],
        ),
        ("11a+c", &["c+11a"], &["7=11a+c", "11a+c=7"]),
        ("x^2+y^2=1", &["y^2 = 1 - x^2"], &["x^2+y^2=2", "x^2-y^2=1"]),
        ("2x+1", &["f(x)=2x+1", "y=2x+1"], &["2x"]),
        (
            r"\frac56",
            &[
                r"\frac12+\frac13 = \frac56",
                r"x = \frac56 \approx 0.83",
                r"\frac56 \approx 0.8333",
            ],
            &[r"\frac12 = \frac56"],
        ),
        ("73", &["m+n=73", r"\text{Area} = 73"], &["m+n=74"]),
        (r"x^2+C", &["x^2+c"], &["x^2+1"]),
    ]);
}

#[test]
fn identities_and_what_only_looks_like_one() {
    check(&[
        (
            "6R^2-4r-24",
            &["6R^2 - 24 - 4r"],
            &["6r^2-4r-24", "6R^2-4R-24"],
        ),
        (
            r"\frac{1}{2004!}",
            &[r"\frac{1}{2004 \cdot 2003!}"],
            &[r"\frac{1}{2006!}"],
        ),
        ("2^{-99}", &[r"\frac{1}{2^{99}}"], &["2^{-98}"]),
        (
            r"1-\frac1e",
            &[r"\frac{e-1}{e}", "1-e^{-1}"],
            &[r"1+\frac1e"],
        ),
        (
            "6-5i",
            &[r"6-5\cdot i", r"6-5\mathrm{i}", "6-5 i", "-5i+6"],
            &["6+5i", "5-6i"],
        ),
        (r"e^{i\pi}", &["-1"], &["1"]),
        ("i^2", &["-1"], &["1", "i"]),
        (r"\sqrt{-4}", &["2i"], &["2", "-2"]),
        (r"\sqrt{x^2}", &["|x|"], &["x"]),
        (r"\ln(x^2)", &[r"2\ln x"], &[r"\ln x"]),
        (r"\sqrt{x}\sqrt{y}", &[r"\sqrt{xy}"], &[r"\sqrt{x+y}"]),
        (
            r"\log_2 x",
            &[r"\frac{\ln x}{\ln 2}", r"\frac{\log x}{\log 2}"],
            &[r"\ln x"],
        ),
        (
            r"\sin^2 x",
            &[r"1-\cos^2 x", r"(\sin x)^2", r"\frac{1-\cos 2x}{2}"],
            &[r"\sin x^2", r"\cos^2 x"],
        ),
        (r"\tan^{-1}(1)", &[r"\frac\pi4", r"\arctan 1"], &["1"]),
        (
            r"\sqrt[3]{13}",
            &["13^{1/3}", r"13^{\frac13}"],
            &[r"\sqrt{13}"],
        ),
        (r"\sqrt[3]{-8}", &["-2"], &["2"]),
        (
            r"\sqrt{8}",
            &[r"2\sqrt2", "2√2", r"\frac{4}{\sqrt2}"],
            &[r"2\sqrt3"],
        ),
        ("x_1+x_2", &["x_2+x_1"], &["x_1+x_3", "x_1 x_2"]),
        (r"\phi", &[r"\varphi"], &[r"\psi"]),
        ("t^2+10t+21", &["(t+3)(t+7)"], &["t^2+10t+23"]),
        (
            "2a^3-40a^2+254a-504",
            &["2(a-4)(a-7)(a-9)"],
            &["2a^3-40a^2+254a-502"],
        ),
        (
            r"\frac{n(n+1)}{2}",
            &[r"\binom{n+1}{2}", r"\sum_{k=1}^n k"],
            &[r"\binom{n}{2}"],
        ),
        ("n!", &[r"n \cdot (n-1)!"], &["(n-1)!"]),
        (r"2^{n+1}-2", &["2(2^n-1)"], &["2^n-2"]),
        (
            r"\frac{20{,}000}{\pi}",
            &[r"\frac{20000}{\pi}"],
            &[r"20000\pi"],
        ),
        (r"12\pi", &["12 pi", r"12 \cdot \pi", "12π"], &["12"]),
        (r"(-\infty", &["(-\\infty"], &["\\infty"]),
        (r"-\infty", &[r"- \infty"], &[r"\infty", r"+\infty"]),
        (r"\infty", &[r"+\infty", "infinity"], &["0"]),
        ("xy", &["yx", r"x \cdot y"], &["x+y"]),
        (r"\csc x", &[r"\frac{1}{\sin x}"], &[r"\cot x"]),
        (r"|x-1|", &["|1-x|"], &["x-1"]),
        (r"\max(3, 5)", &["5"], &["3"]),
        (r"\lceil 2.1 \rceil", &["3"], &["2"]),
    ]);
}

#[test]
fn ratios_times_and_text() {
    check(&[
        (
            "3:4",
            &["3 : 4", "6:8", r"\frac34", r"3\colon 4"],
            &["4:3", "3:5"],
        ),
        (
            "12:30",
            &["12:30 PM", "12:30 p.m.", r"12\!:\!30"],
            &["12:31", "1:30"],
        ),
        (r"\text{2:15 a.m.}", &["2:15 AM"], &["2:15 PM"]),
        (
            r"\text{even}",
            &["even", "Even.", "an even function"],
            &["not even", "odd", "even or odd"],
        ),
        (
            r"\text{east}",
            &["East", r"\textbf{east}.", r"\text{ east }"],
            &["southeast", "west", "seat"],
        ),
        (
            r"\text{Evelyn}",
            &["Evelyn", "\"Evelyn\""],
            &["Carla", r"\text{not Evelyn}"],
        ),
        (
            r"3 \pmod 7",
            &["3", r"x \equiv 3 \pmod{7}"],
            &[r"3 \pmod 8", "4"],
        ),
        ("5x+", &["5x+", "5x +"], &["5x-", "5x"]),
    ]);
}

#[test]
fn forms_that_models_write() {
    check(&[
        (
            "3-4i",
            &["-4i+3", r"\frac{6-8i}{2}", "z = 3-4i", "(2-i)^2"],
            &["3+4i", "4-3i", "(3,-4)"],
        ),
        (
            r"-\frac12+\frac{\sqrt3}{2}i",
            &[r"\frac{-1+i\sqrt{3}}{2}", r"e^{2\pi i/3}"],
            &[r"\frac{1+i\sqrt3}{2}"],
        ),
        (
            r"\frac{14}{3}",
            &["4 2/3", r"4.\overline{6}", "4.6666667", r"14\cdot 3^{-1}"],
            &["4.67", "14.3", r"4\frac13"],
        ),
        (
            r"8\text{ days}",
            &["8", "eight days", "eight"],
            &["8 weeks", "80"],
        ),
        (
            r"k \neq 2",
            &["k ≠ 2", r"k \not= 2", r"(-\infty,2)\cup(2,\infty)"],
            &["k=2", r"k\ne3"],
        ),
        (
            r"(-\infty,-3)\cup(3,\infty)",
            &[
                "|x|>3",
                r"x > 3 \text{ or } x < -3",
                r"\mathbb{R}\setminus[-3,3]",
            ],
            &["(-3,3)", "|x|<3"],
        ),
        (
            "[0,1]",
            &[r"\{x \in \mathbb{R} \mid 0 \le x \le 1\}", r"1\ge x\ge 0"],
            &["(0,1)", r"\{0,1\}", "[1,0]"],
        ),
        (
            "(x-1)^2+(y+2)^2=9",
            &["x^2+y^2-2x+4y-4=0"],
            &["(x+1)^2+(y-2)^2=9"],
        ),
        (
            r"\log_2 5",
            &[r"\log_4 25", r"\frac{\log 5}{\log 2}"],
            &[r"\log_5 2"],
        ),
        (
            r"\begin{pmatrix} 2 \\ -1 \end{pmatrix}",
            &[r"\binom{2}{-1}", r"\langle 2,-1\rangle"],
            &["(-1,2)"],
        ),
        (
            r"1.5\times 10^{8}",
            &["1.5e8", "150{,}000{,}000", r"15\times10^7"],
            &[r"1.5\times10^7", "1.5^8"],
        ),
        ("p=5,q=2;p=7,q=2", &["(5,2),(7,2)"], &["(5,2)"]),
        (r"x_1=2,\quad x_2=-3", &["-3, 2"], &["2, 3"]),
    ]);
}

#[test]
fn every_convention_can_be_turned_off() {
    let off = |change: fn(&mut Conventions), gold: &str, prediction: &str| {
        let mut conventions = Conventions::default();
        let (gold, prediction) = (Answer::parse(gold), Answer::parse(prediction));
        assert!(
            conventions.equivalent(&gold, &prediction).equal,
            "{gold:?} {prediction:?}"
        );
        change(&mut conventions);
        assert!(
            !conventions.equivalent(&gold, &prediction).equal,
            "{gold:?} {prediction:?}"
        );
    };
    off(|c| c.lower_case_choice = false, r"\text{(A)}", "a");
    off(|c| c.percent_as_number = false, r"50\%", "50");
    off(|c| c.percent_as_fraction = false, r"50\%", "0.5");
    off(|c| c.missing_base = false, "52_8", "52");
    off(|c| c.missing_unit = false, r"5\text{ cm}", "5");
    off(
        |c| c.converted_unit = false,
        r"5\text{ m}",
        r"500\text{ cm}",
    );
    off(|c| c.list_for_tuple = false, "(1,2)", "1,2");
    off(|c| c.tuple_for_list = false, "3,5,7", "(3,5,7)");
    off(
        |c| c.tuple_for_vector = false,
        r"\begin{pmatrix}1\\2\end{pmatrix}",
        "(1,2)",
    );
    off(|c| c.scaled_equation = false, "x^2+y^2=1", "2x^2+2y^2=2");
    off(|c| c.other_name = false, "y=2x", "f(x)=2x");
    off(|c| c.decimal_comma = false, "3,14", "3.14");
    off(|c| c.long_decimal = false, r"\sqrt2", "1.41421356");
    off(|c| c.ratio_as_quotient = false, "3:4", "6:8");
    off(|c| c.half_of_day = false, "12:30", "12:30 PM");
    off(
        |c| c.text_in_sentence = false,
        r"\text{odd}",
        "an odd function",
    );
    off(|c| c.constant_of_integration = false, "x^2+C", "x^2+c");
}
