//! Where people disagree on what is equal: each question by name, with the answer that this grader gives by default.

/// Conventions of comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conventions {
    /// `a` is the choice `A`.
    pub lower_case_choice: bool,
    /// `50\%` is `50`, as in the golds of MATH.
    pub percent_as_number: bool,
    /// `50\%` is `0.5`.
    pub percent_as_fraction: bool,
    /// `1011` is `1011_2`. Its decimal value never is.
    pub missing_base: bool,
    /// `5` is `5` metres, whichever side names the unit.
    pub missing_unit: bool,
    /// 100 cm is 1 m.
    pub converted_unit: bool,
    /// `1, 2` is the point `(1, 2)`, in this order.
    pub list_for_tuple: bool,
    /// `(3, 5, 7)` is the list `3, 5, 7`; two in brackets are a point, not a list.
    pub tuple_for_list: bool,
    /// `(a, b, c)` is a column or a row with these entries.
    pub tuple_for_vector: bool,
    /// `2x = 4y` is `x = 2y`.
    pub scaled_equation: bool,
    /// `y = 2x` is `f(x) = 2x`, and `r = 9` is `x = 9`.
    pub other_name: bool,
    /// A gold `3,14` may be the decimal 3.14.
    pub decimal_comma: bool,
    /// A decimal of 7 digits or more is what it rounds; and what rounds to a decimal gold of 3 or more is that gold.
    pub long_decimal: bool,
    /// `6:8` is `3:4` and `3/4`.
    pub ratio_as_quotient: bool,
    /// `12:30` is `12:30 p.m.`
    pub half_of_day: bool,
    /// "an odd function" is "odd": the gold's words within a sentence that does not deny them.
    pub text_in_sentence: bool,
    /// `x^2 + c` is `x^2 + C`.
    pub constant_of_integration: bool,
}

impl Default for Conventions {
    fn default() -> Self {
        Self {
            lower_case_choice: true,
            percent_as_number: true,
            percent_as_fraction: true,
            missing_base: true,
            missing_unit: true,
            converted_unit: true,
            list_for_tuple: true,
            tuple_for_list: true,
            tuple_for_vector: true,
            scaled_equation: true,
            other_name: true,
            decimal_comma: true,
            long_decimal: true,
            ratio_as_quotient: true,
            half_of_day: true,
            text_in_sentence: true,
            constant_of_integration: true,
        }
    }
}
