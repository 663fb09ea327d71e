//! Forms in which people and models write answers, kind by kind, each with what only looks like it.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod check;

use check::check;

#[test]
fn times_are_no_ratios() {
    check(&[
        (
            "12:00",
            &["12:00 PM", "noon", "12 noon", "12:00:00"],
            &["1:00", "2:00", "11:00"],
        ),
        ("2:20", &["2.20 pm", "02:20"], &["1:10", "4:40"]),
        (
            r"3:00 \text{ PM}",
            &[
                "3 PM",
                "3pm",
                "3 p.m.",
                "15:00",
                "3:00",
                "3 o'clock",
                r"\text{3 pm}",
            ],
            &["3 AM", "3:30 PM", "13:00", "3"],
        ),
        ("15:00", &["3 PM"], &["3 AM", "15:01", "3:00"]),
        (
            r"\text{midnight}",
            &["12 midnight", "12:00 AM"],
            &["12:00 PM"],
        ),
        ("9:05", &["9:05 am"], &["9:50", "9:5"]),
        ("2:3", &["4:6", "2/3", r"2\text{ to }3"], &["3:2", "4:9"]),
        ("1:2:3", &["2:4:6"], &["1:3:2"]),
    ]);
}

#[test]
fn dates_are_days() {
    check(&[
        (
            r"\text{June 20}",
            &[
                "20 June",
                "June 20th",
                "the 20th of June",
                "Monday, Jun 20",
                "June 20, 2023",
            ],
            &["June 21", "July 20", "20"],
        ),
        (
            "May 5",
            &["5 May", r"\text{May 5th}"],
            &["May 6", "March 5"],
        ),
        (
            "June 20, 2023",
            &["20 June 2023", "2023-06-20", "6/20/2023"],
            &["June 20", "June 20, 2022"],
        ),
        (
            r"\text{March 2019}",
            &["March 2019"],
            &["March 2018", "March 19"],
        ),
    ]);
}

#[test]
fn short_words_and_stock_phrases() {
    check(&[
        (
            r"\text{No}",
            &["no", "No.", "NO", "No, it is not."],
            &["on", "yes", "no solution", "not sure"],
        ),
        (
            r"\text{Yes}",
            &["yes", "Yes, because it is even."],
            &["no", "Yes or no"],
        ),
        (r"\text{up}", &["Up", "UP"], &["down", "pu"]),
        (r"\text{Al}", &["Al", r"\textbf{al}"], &["La", "Bo"]),
        (r"\text{Jo and Al}", &["Jo and Al"], &["Jo", "Jo and Bo"]),
        ("xy", &["yx"], &["XY"]),
        ("AB", &["BA"], &["ab"]),
        (
            r"\text{no solution}",
            &[
                "There are no solutions.",
                "None",
                r"\emptyset",
                "no real solutions",
            ],
            &["0", "one solution", "no"],
        ),
        (
            r"\text{DNE}",
            &["does not exist", "undefined"],
            &["0", "exists"],
        ),
        (
            r"\text{infinitely many}",
            &[
                "infinitely many solutions",
                "an infinite number of solutions",
            ],
            &["many", "no solution"],
        ),
        (
            r"\text{cannot be determined}",
            &["not enough information"],
            &["can be determined"],
        ),
        (r"\text{Bus 3A}", &["bus 3A"], &["Bus 3B", "Bus 3"]),
    ]);
}

#[test]
fn constants_of_integration_have_any_letter_and_size() {
    check(&[
        (
            r"\frac{\sin^2 x}{2}+C",
            &[
                r"-\frac{\cos^2 x}{2}+C",
                r"C - \frac14\cos 2x",
                r"\frac12\sin^2 x + K",
            ],
            &[r"\frac{\cos^2 x}{2}+C", r"\frac{\sin^2 x}{2}"],
        ),
        (
            r"\ln x + C",
            &[
                r"\ln(2x)+C",
                r"\ln|x|+c",
                r"\ln x + \text{constant}",
                r"C_1+\ln x",
            ],
            &[r"\ln(x^2)+C", r"\ln(x+1)+C"],
        ),
        (
            "x^2+C",
            &["x^2+5+C", "x^2-C"],
            &["x^2+x+C", "2x^2+C", "x^2", "x^2+1"],
        ),
        (
            "Ce^x",
            &["Ke^{x}", "2Ae^x", "y = Ce^x"],
            &["Ce^{2x}", "C+e^x", "e^x"],
        ),
        ("y=Ce^x", &["y = Ke^x"], &["y=Ce^{-x}"]),
        (
            "C_1 e^x + C_2 e^{-x}",
            &["Ae^x+Be^{-x}", "C_2 e^x + C_1 e^{-x}"],
            &["C_1 e^x + C_2 e^{2x}", "C_1 e^x"],
        ),
        // Quantities that happen to have such letters.
        ("11a+c", &["c+11a"], &["11a+c+1"]),
        ("A+B+C", &["C+B+A"], &["A+B+C+1", "A+B+K"]),
        ("AC", &["CA"], &["AK"]),
    ]);
}

#[test]
fn equations_may_be_multiplied_by_what_they_divide_by() {
    check(&[
        (
            r"y=\frac1x",
            &["xy=1", r"x=\frac1y", "y=x^{-1}"],
            &["xy=2", "y=x", "xy=x"],
        ),
        (r"y=\frac{4}{x^2}", &["x^2y=4"], &["xy=4", "x^2y=2"]),
        (
            r"y=\frac{x+1}{x-1}",
            &["y(x-1)=x+1", "xy-y-x-1=0"],
            &["y(x+1)=x-1"],
        ),
        (r"\frac{x}{a}+\frac{y}{b}=1", &["bx+ay=ab"], &["ax+by=ab"]),
        (r"\frac1x+\frac1y=\frac12", &["2x+2y=xy"], &["x+y=xy"]),
        ("y=x", &["x-y=0"], &["y^2=xy", "xy=x^2"]),
        ("x^2+y^2=1", &["y^2=1-x^2"], &["x(x^2+y^2)=x"]),
    ]);
}

#[test]
fn dots_stand_for_what_follows() {
    check(&[
        (
            r"1, 2, \ldots, n",
            &[
                "1,2,...,n",
                "1, 2, 3, …, n",
                r"1,2,\dots,n-1,n",
                r"1,\ldots,n",
                r"\{1,2,\cdots,n\}",
            ],
            &[
                r"1,3,5,\ldots,2n-1",
                r"1,2,4,\ldots,n",
                r"0,1,\ldots,n",
                r"1,2,\ldots,n-1",
                "1,2,n",
            ],
        ),
        (
            r"1,2,\ldots,10",
            &["1,2,3,4,5,6,7,8,9,10"],
            &["1,2,3,10", r"1,2,\ldots,9"],
        ),
        (
            r"\{2,4,6,\ldots\}",
            &[r"\{2,4,6,8,\ldots\}"],
            &[r"\{2,4,8,\ldots\}", r"\{2,4,6\}"],
        ),
        (
            r"1,4,9,\ldots,n^2",
            &[r"1,4,\ldots,n^2"],
            &[r"1,4,8,\ldots,n^2"],
        ),
        (
            r"1,2,4,\ldots,2^n",
            &[r"1,2,4,8,\ldots,2^n"],
            &[r"1,2,4,6,\ldots,2^n"],
        ),
        (
            r"x_1,\ldots,x_n",
            &[r"x_1,x_2,\dots,x_n"],
            &[r"y_1,\ldots,y_n"],
        ),
        (r"1+2+\cdots+n", &["1 + 2 + ... + n"], &[r"1+3+\cdots+n"]),
    ]);
}

#[test]
fn repeating_decimals_in_every_notation() {
    check(&[
        (
            r"\frac13",
            &[
                "0.333...",
                "0.33…",
                r"0.333\ldots",
                r"0.\dot{3}",
                r"0.\dot3",
                "0.(3)",
                r"0.\bar{3}",
                "0.3\u{305}",
                "0.3\u{307}",
            ],
            &["0.3", "0.33", "0.3...", "0.334..."],
        ),
        (
            r"\frac16",
            &["0.1666...", r"0.1\dot{6}", "0.1(6)", r"0.1\overline{6}"],
            &["0.(16)", "0.16"],
        ),
        (
            r"\frac17",
            &[
                r"0.\dot{1}4285\dot{7}",
                "0.(142857)",
                "0.142857...",
                "0.142857142857…",
            ],
            &["0.142857", "0.14..."],
        ),
        ("0.3", &[], &["0.333...", r"0.\overline{3}"]),
        (r"-\frac43", &["-1.(3)", "-1.333..."], &["-1.3"]),
        // Brackets may multiply, and dots may only go on.
        ("7.5", &["2.5(3)"], &["2.5(4)"]),
        ("e", &["2.718281828..."], &["2.71..."]),
        ("5", &["5..."], &["0.5..."]),
    ]);
}

#[test]
fn lines_below_each_other() {
    check(&[
        (
            "(1,2)",
            &[
                r"\begin{cases} x = 1 \\ y = 2 \end{cases}",
                r"\left\{\begin{array}{l} y = 2 \\ x = 1 \end{array}\right.",
                r"\begin{aligned} x &= 1 \\ y &= 2 \end{aligned}",
                r"\begin{array}{rcl} x & = & 1 \\ y & = & 2 \end{array}",
                r"\begin{gathered} x=1, \\ y=2. \end{gathered}",
                r"x=1 \\ y=2",
            ],
            &[
                r"\begin{cases} x = 2 \\ y = 1 \end{cases}",
                r"\begin{cases} x = 1 \end{cases}",
            ],
        ),
        (
            r"\begin{cases} x+y=3 \\ x-y=1 \end{cases}",
            &[r"\begin{cases} x-y=1 \\ x+y=3 \end{cases}", "x+y=3, x-y=1"],
            &[r"\begin{cases} x+y=3 \\ x-y=2 \end{cases}"],
        ),
        (
            "5",
            &[r"\begin{aligned} x &= 2+3 \\ &= 5 \end{aligned}"],
            &[r"\begin{aligned} x &= 2+3 \\ &= 6 \end{aligned}"],
        ),
        (
            r"\begin{cases} x & x \ge 0 \\ -x & x<0 \end{cases}",
            &[
                r"\begin{cases} -x, & \text{if } x<0 \\ x, & \text{if } x\ge 0 \end{cases}",
                r"\left\{\begin{array}{ll} x & x \ge 0 \\ -x & x<0 \end{array}\right.",
            ],
            &[r"\begin{cases} -x & x\ge 0 \\ x & x<0 \end{cases}"],
        ),
        (
            r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
            &[r"\begin{array}{cc}1&2\\3&4\end{array}"],
            &[r"\begin{array}{cc}1&3\\2&4\end{array}"],
        ),
    ]);
}

#[test]
fn unicode_writes_what_latex_writes() {
    check(&[
        ("(1,2)", &["(1，2)", "（１，２）", "(1、2)"], &["（2，1）"]),
        ("3/5", &["３／５", "⅗", "³⁄₅"], &["５/３"]),
        ("12", &["１２", "𝟏𝟐", "١٢", "12 ✅"], &["１３", "1₂"]),
        (r"\sqrt[3]{2}", &["∛2", "∛(2)"], &["√2", "∜2"]),
        ("x^{-2}", &["x⁻²", "𝑥⁻²", "x<sup>-2</sup>"], &["x²", "x₋₂"]),
        (r"2\frac12", &["2½", "2 ½"], &["1", "2¼"]),
        ("-5", &["−5", "－５", "‑5"], &["5"]),
        ("x \\le 3", &["x≤3", "x≦3", "x⩽３"], &["x<3"]),
        ("x_1", &["x₁"], &["x₂", "x¹"]),
        (r"2\pi", &["2π", "２𝜋"], &["2"]),
        (r"\{1,2\}", &["｛1，2｝"], &["（1，2）"]),
        ("90", &["90˚", "90⁰"], &["9⁰"]),
    ]);
}

#[test]
fn units_are_kept_dropped_and_converted() {
    check(&[
        (
            r"2\pi",
            &["2\\pi cm", "2π cm", r"2\pi\,\mathrm{cm}"],
            &["2\\pi x"],
        ),
        (
            "60",
            &[
                r"60 \frac{\text{km}}{\text{h}}",
                r"60 \frac{km}{h}",
                "60 km/h",
                "60 miles per hour",
                "60g",
            ],
            &["60x", "61 km/h"],
        ),
        (
            r"90 \text{ minutes}",
            &[
                "1 hour 30 minutes",
                "1 h 30 min",
                "1 hour and 30 minutes",
                r"1\frac12\text{ hours}",
                "90",
            ],
            &["1 hour", "1 hour 20 minutes", "90 hours", "1.5"],
        ),
        (r"1\text{ hour}", &["60 min"], &["1 hour 30 minutes"]),
        (
            r"3 \text{ km}",
            &["3", "3000 m", "3km"],
            &["3 m", r"3\text{ m}", "3 miles"],
        ),
        (
            r"60\text{ km/h}",
            &["1 km/min", "60 kph"],
            &["60 m/s", "60 km"],
        ),
        (
            r"9.8\text{ m/s}^2",
            &["9.8 m/s^2", r"9.8\,\text{m}\,\text{s}^{-2}", "980 cm/s²"],
            &[r"9.8 \text{ m/s}^3"],
        ),
        (
            r"1\text{ m}^2",
            &[r"10000\text{ cm}^2"],
            &[r"100\text{ cm}^2"],
        ),
        (r"1\text{ L}", &["1000 cm³"], &["100 mL"]),
        (
            r"5\text{ feet }10\text{ inches}",
            &["70 in", "5 ft 10 in."],
            &["5 feet"],
        ),
        (
            r"\$18",
            &["USD 18", "18 per day", "1800 cents"],
            &["18 cents"],
        ),
        (r"2\text{ million}", &["2,000,000"], &["2"]),
        (
            r"25^\circ\text{C}",
            &["25", "25℃", "25 degrees Celsius"],
            &["25°F"],
        ),
        (r"90^\circ", &[r"\frac{\pi}{2}", "90"], &[r"\pi", "1.57"]),
        ("5m", &["m5"], &["5", "5n"]),
    ]);
}

#[test]
fn ordinals_labels_and_what_is_said_twice() {
    check(&[
        (
            "7",
            &[
                "7th",
                r"7^{\text{th}}",
                "seventh",
                "No. 7",
                "No.7",
                "#7",
                r"\#7",
                "number 7",
                "7 (seven)",
                "seven (7)",
            ],
            &["8th", "7 (eight)", "No. 8"],
        ),
        ("21", &["21st", "twenty-first"], &["22nd", "20th"]),
        ("3", &["Option 3", "Day 3", "step 3"], &["Day 4"]),
        (
            r"\frac12",
            &[
                "one half",
                "a half",
                "0.5 (1/2)",
                r"\frac12 (\approx 0.5)",
                "1/2 (or 0.5)",
            ],
            &["two halves"],
        ),
        (r"\frac34", &["three quarters", "three-fourths"], &["three"]),
        ("-7", &["negative seven", "minus 7"], &["seven"]),
    ]);
}

#[test]
fn decorations_say_nothing() {
    check(&[
        (
            "5",
            &[
                r"\textcolor{red}{5}",
                r"{\color{red}5}",
                r"\phantom{0}5",
                r"\colorbox{yellow}{5}",
                r"\bbox[red]{5}",
                r"\underbrace{5}_{\text{sum}}",
                r"5\quad\blacksquare",
                r"5 \tag{1}",
                r"\overset{!}{=} 5",
                "*5*",
                "'5'",
                r"x+1=6 \implies x=5",
                r"\therefore x = 5",
                r"\cancel{3} 5",
                "<b>5</b>",
                r"\text{Answer: }5",
            ],
            &[r"\textcolor{red}{6}", r"\phantom{5}6"],
        ),
        (r"75\%", &[r"\frac34 = 75\%"], &[r"\frac34 = 70\%"]),
        (
            "1234567",
            &[
                "1.234.567",
                "1'234'567",
                "1_234_567",
                "12,34,567",
                "1 234 567",
            ],
            &["1.234567", "1,234"],
        ),
    ]);
}

#[test]
fn grids_are_compared_by_cells() {
    const FOUR: &str = "1234\n3412\n2143\n4321";
    check(&[
        (
            FOUR,
            &[
                "1234\n\n3412\n\n2143\n\n4321",
                "1 2 3 4\n3 4 1 2\n2 1 4 3\n4 3 2 1",
                "1234;3412;2143;4321",
                r"1234\\3412\\2143\\4321",
                "1234 3412 2143 4321",
                "12|34\n34|12\n--+--\n21|43\n43|21",
                "┌───┬───┐\n│1 2│3 4│\n│3 4│1 2│\n├───┼───┤\n│2 1│4 3│\n│4 3│2 1│\n└───┴───┘",
            ],
            &[
                "1234\n3412\n2143\n4312",
                "1234\n3412\n2143",
                "1234\n3412\n2143\n4321\n1234",
                "3412\n1234\n2143\n4321",
                "1324\n2413\n3142\n4231",
                "1234\n3412\n2143\n432.",
                "1234\n3412\n2143\n432",
                "1234341221434321",
                "1234",
                "1234, 3412, 2143, 4321",
            ],
        ),
        (
            "123456\n456123",
            &["123 456\n456 123"],
            &["456123\n123456", "123456456123", "123456", "123456\n45612"],
        ),
        // What only looks like one.
        ("12; 34", &["34; 12"], &["12; 43"]),
        ("123456", &["123 456", "123,456"], &["123\n456"]),
    ]);
}
