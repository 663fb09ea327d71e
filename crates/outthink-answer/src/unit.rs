//! Units: what they measure, and how large they are.

use dashu_ratio::RBig;

/// Powers of metre, gram, second, month, dollar, degree, ampere, and an amount of data.
type Dimension = [i8; 8];

const LENGTH: Dimension = [1, 0, 0, 0, 0, 0, 0, 0];
const AREA: Dimension = [2, 0, 0, 0, 0, 0, 0, 0];
const VOLUME: Dimension = [3, 0, 0, 0, 0, 0, 0, 0];
const MASS: Dimension = [0, 1, 0, 0, 0, 0, 0, 0];
const TIME: Dimension = [0, 0, 1, 0, 0, 0, 0, 0];
const MONTH: Dimension = [0, 0, 0, 1, 0, 0, 0, 0];
const MONEY: Dimension = [0, 0, 0, 0, 1, 0, 0, 0];
const ANGLE: Dimension = [0, 0, 0, 0, 0, 1, 0, 0];
/// No rational number of degrees is a radian.
const RADIANS: Dimension = [0, 0, 0, 0, 0, 2, 0, 0];
const CURRENT: Dimension = [0, 0, 0, 0, 0, 0, 1, 0];
const DATA: Dimension = [0, 0, 0, 0, 0, 0, 0, 1];
const SPEED: Dimension = [1, 0, -1, 0, 0, 0, 0, 0];
const FREQUENCY: Dimension = [0, 0, -1, 0, 0, 0, 0, 0];
const FORCE: Dimension = [1, 1, -2, 0, 0, 0, 0, 0];
const PRESSURE: Dimension = [-1, 1, -2, 0, 0, 0, 0, 0];
const ENERGY: Dimension = [2, 1, -2, 0, 0, 0, 0, 0];
const POWER: Dimension = [2, 1, -3, 0, 0, 0, 0, 0];
const VOLTAGE: Dimension = [2, 1, -3, 0, 0, 0, -1, 0];
const RESISTANCE: Dimension = [2, 1, -3, 0, 0, 0, -2, 0];
const CHARGE: Dimension = [0, 0, 1, 0, 0, 0, 1, 0];

/// Symbols of a unit and its names, what it measures, and its size as a quotient.
type Row = (
    &'static [&'static str],
    &'static [&'static str],
    Dimension,
    u64,
    u64,
);

/// Names of a unit, symbols first (their letter case counts), what it measures, and its size as a quotient.
const UNITS: &[Row] = &[
    (&["nm"], &["nanometer"], LENGTH, 1, 1_000_000_000),
    (
        &["μm", "um"],
        &["micrometer", "micron"],
        LENGTH,
        1,
        1_000_000,
    ),
    (&["mm"], &["millimeter"], LENGTH, 1, 1000),
    (&["cm"], &["centimeter"], LENGTH, 1, 100),
    (&["dm"], &["decimeter"], LENGTH, 1, 10),
    (&["m"], &["meter"], LENGTH, 1, 1),
    (&["km", "KM"], &["kilometer"], LENGTH, 1000, 1),
    (&["in"], &["inch"], LENGTH, 254, 10_000),
    (&["ft"], &["foot"], LENGTH, 3048, 10_000),
    (&["yd"], &["yard"], LENGTH, 9144, 10_000),
    (&["mi"], &["mile"], LENGTH, 1_609_344, 1000),
    (&["ha"], &["hectare"], AREA, 10_000, 1),
    (&[], &["acre"], AREA, 40_468_564_224, 10_000_000),
    (&["mL", "ml", "cc"], &["milliliter"], VOLUME, 1, 1_000_000),
    (&["cl", "cL"], &["centiliter"], VOLUME, 1, 100_000),
    (&["dl", "dL"], &["deciliter"], VOLUME, 1, 10_000),
    (&["L", "l"], &["liter"], VOLUME, 1, 1000),
    (
        &["gal"],
        &["gallon"],
        VOLUME,
        3_785_411_784,
        1_000_000_000_000,
    ),
    (&["qt"], &["quart"], VOLUME, 946_352_946, 1_000_000_000_000),
    (&["pt"], &["pint"], VOLUME, 473_176_473, 1_000_000_000_000),
    (&["mg"], &["milligram"], MASS, 1, 1000),
    (&["g"], &["gram"], MASS, 1, 1),
    (&["kg"], &["kilogram"], MASS, 1000, 1),
    (&[], &["tonne"], MASS, 1_000_000, 1),
    (&["oz"], &["ounce"], MASS, 45_359_237, 1_600_000),
    (&["lb"], &["pound"], MASS, 45_359_237, 100_000),
    (&["ms"], &["millisecond"], TIME, 1, 1000),
    (&["s", "sec"], &["second"], TIME, 1, 1),
    (&["min"], &["minute"], TIME, 60, 1),
    (&["h", "hr"], &["hour"], TIME, 3600, 1),
    (&[], &["day"], TIME, 86_400, 1),
    (&[], &["week"], TIME, 604_800, 1),
    (&[], &["month"], MONTH, 1, 1),
    (&["yr"], &["year"], MONTH, 12, 1),
    (&[], &["decade"], MONTH, 120, 1),
    (&[], &["century"], MONTH, 1200, 1),
    (&[], &["cent", "penny"], MONEY, 1, 100),
    (&[], &["nickel"], MONEY, 5, 100),
    (&[], &["dime"], MONEY, 10, 100),
    (&["USD"], &["dollar", "buck"], MONEY, 1, 1),
    (&["deg"], &["degree"], ANGLE, 1, 1),
    (&["rad"], &["radian"], RADIANS, 1, 1),
    (&["mph"], &[], SPEED, 1_609_344, 3_600_000),
    (&["kph", "kmh", "kmph"], &[], SPEED, 1000, 3600),
    (&["mps"], &[], SPEED, 1, 1),
    (&["Hz"], &["hertz"], FREQUENCY, 1, 1),
    (&["kHz"], &["kilohertz"], FREQUENCY, 1000, 1),
    (&["MHz"], &["megahertz"], FREQUENCY, 1_000_000, 1),
    (&["N"], &["newton"], FORCE, 1000, 1),
    (&["kN"], &["kilonewton"], FORCE, 1_000_000, 1),
    (&["Pa"], &["pascal"], PRESSURE, 1000, 1),
    (&["kPa"], &["kilopascal"], PRESSURE, 1_000_000, 1),
    (&["J"], &["joule"], ENERGY, 1000, 1),
    (&["kJ"], &["kilojoule"], ENERGY, 1_000_000, 1),
    (&["Wh"], &[], ENERGY, 3_600_000, 1),
    (&["kWh"], &[], ENERGY, 3_600_000_000, 1),
    (&["W"], &["watt"], POWER, 1000, 1),
    (&["kW"], &["kilowatt"], POWER, 1_000_000, 1),
    (&["MW"], &["megawatt"], POWER, 1_000_000_000, 1),
    (&["A"], &["ampere", "amp"], CURRENT, 1, 1),
    (&["mA"], &["milliampere"], CURRENT, 1, 1000),
    (&["V"], &["volt"], VOLTAGE, 1000, 1),
    (&["Ω"], &["ohm"], RESISTANCE, 1000, 1),
    (&["C"], &["coulomb"], CHARGE, 1, 1),
    (&["B"], &["byte"], DATA, 8, 1),
    (&["KB", "kB"], &["kilobyte"], DATA, 8000, 1),
    (&["MB"], &["megabyte"], DATA, 8_000_000, 1),
    (&["GB"], &["gigabyte"], DATA, 8_000_000_000, 1),
];

/// A unit as factors with their powers, in one spelling: `km/h` is kilometer and hour to the minus first. A word that no
/// table knows is a unit too, comparable only with itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// Names, singular, with their powers.
    pub factors: Vec<(String, i32)>,
}

/// How two units compare.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Units {
    Same,
    /// A number of the first is this many of the second.
    Converted(RBig),
    Different,
}

impl Unit {
    pub(crate) fn of(word: &str) -> Self {
        Self {
            factors: vec![(name(word), 1)],
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.factors.is_empty()
    }

    /// Is it this one, and nothing else?
    pub(crate) fn is(&self, name: &str) -> bool {
        matches!(&self.factors[..], [(own, 1)] if own == name)
    }

    pub(crate) fn push(&mut self, word: &str, power: i32) {
        self.factors.push((name(word), power));
    }

    /// What it measures and how large it is, if all of it is known.
    pub(crate) fn measure(&self) -> Option<([i32; 8], RBig)> {
        let mut dimension = [0; 8];
        let mut size = RBig::ONE;
        for (name, power) in &self.factors {
            let (_, _, own, above, below) = UNITS.iter().find(|(symbols, words, ..)| {
                words
                    .first()
                    .or(symbols.first())
                    .is_some_and(|first| first == name)
            })?;
            for (sum, own) in dimension.iter_mut().zip(own) {
                *sum += i32::from(*own) * power;
            }
            let factor = RBig::from_parts((*above).into(), (*below).into());
            for _ in 0..power.unsigned_abs().min(8) {
                size = if *power > 0 {
                    size * &factor
                } else {
                    size / &factor
                };
            }
        }
        Some((dimension, size))
    }

    pub(crate) fn compare(&self, other: &Self) -> Units {
        let (Some((first, power)), Some((second, own))) =
            (self.factors.first(), other.factors.first())
        else {
            return Units::Same;
        };
        // "18 per day" does not say of what.
        let nameless = |unit: &Self| unit.factors.iter().all(|(_, power)| *power < 0);
        if self == other || first == "unit" || second == "unit" || nameless(self) || nameless(other)
        {
            return Units::Same;
        }
        // Units of area for length are a slip: cm for cm².
        let one = self.factors.len() == 1 && other.factors.len() == 1;
        if one && first == second && (*power == 1 || *own == 1) {
            return Units::Same;
        }
        match (self.measure(), other.measure()) {
            (Some((dimension, size)), Some((others, unit))) if dimension == others => {
                if size == unit {
                    Units::Same
                } else {
                    Units::Converted(size / unit)
                }
            }
            // "dollars per hour" and "dollars" are one unit, kilometres per hour and kilometres are not.
            (Some((dimension, _)), Some(_)) if first != second || dimension[4] == 0 => {
                Units::Different
            }
            _ => {
                let numerator = |unit: &Self| Self {
                    factors: unit.factors[..1].to_vec(),
                };
                if first == second {
                    Units::Same
                } else if self.factors.len() > 1 || other.factors.len() > 1 {
                    numerator(self).compare(&numerator(other))
                } else {
                    Units::Different
                }
            }
        }
    }
}

/// A word as a unit is written: one spelling, singular.
fn name(word: &str) -> String {
    let known = |symbol: &str| {
        let found = UNITS.iter().find(|(symbols, ..)| symbols.contains(&symbol));
        found.and_then(|(symbols, words, ..)| words.first().or(symbols.first()))
    };
    if let Some(name) = known(word) {
        return (*name).to_owned();
    }
    let singular = singular(word);
    // "5 Km", "lbs", "hrs", "secs"
    if let Some(name) = known(&singular) {
        return (*name).to_owned();
    }
    let found = UNITS
        .iter()
        .find(|(_, words, ..)| words.contains(&singular.as_str()));
    found
        .and_then(|(_, words, ..)| words.first())
        .map_or(singular, |name| (*name).to_owned())
}

fn singular(word: &str) -> String {
    let lower = word.to_lowercase();
    match lower.as_str() {
        "feet" => return "foot".into(),
        "metre" | "metres" => return "meter".into(),
        "litre" | "litres" => return "liter".into(),
        "people" | "persons" => return "person".into(),
        "pennies" | "pence" => return "penny".into(),
        "centuries" => return "century".into(),
        "children" => return "child".into(),
        "men" => return "man".into(),
        "women" => return "woman".into(),
        "mice" => return "mouse".into(),
        "usd" => return "dollar".into(),
        _ => {}
    }
    for (end, of) in [
        ("metre", "meter"),
        ("metres", "meter"),
        ("litre", "liter"),
        ("litres", "liter"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("xes", "x"),
        ("sses", "ss"),
    ] {
        if let Some(stem) = lower.strip_suffix(end) {
            return format!("{stem}{of}");
        }
    }
    match lower.strip_suffix('s') {
        Some(stem) if stem.len() > 1 && !stem.ends_with(['s', 'u']) => stem.to_owned(),
        _ => lower,
    }
}

/// Is a short word a unit after a number, outside of `\text{}` too?
pub(crate) fn is_unit(word: &str) -> bool {
    let name = name(word);
    let found = |(symbols, words, ..): &Row| {
        words
            .first()
            .or(symbols.first())
            .is_some_and(|first| *first == name)
    };
    UNITS.iter().any(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_one_dimension_are_converted_and_others_are_not() {
        let unit = |factors: &[(&str, i32)]| {
            let mut unit = Unit::default();
            factors
                .iter()
                .for_each(|(word, power)| unit.push(word, *power));
            unit
        };
        let one = |word| unit(&[(word, 1)]);
        let times =
            |above: u32, below: u32| Units::Converted(RBig::from_parts(above.into(), below.into()));
        assert_eq!(one("km").compare(&one("metres")), times(1000, 1));
        assert_eq!(one("hrs").compare(&one("hour")), Units::Same);
        assert_eq!(one("hrs").compare(&one("km")), Units::Different);
        assert_eq!(one("apples").compare(&one("apple")), Units::Same);
        assert_eq!(one("apples").compare(&one("pears")), Units::Different);
        assert_eq!(
            unit(&[("m", 2)]).compare(&unit(&[("cm", 2)])),
            times(10_000, 1)
        );
        assert_eq!(one("cm").compare(&unit(&[("cm", 2)])), Units::Same);
        assert_eq!(one("L").compare(&unit(&[("cm", 3)])), times(1000, 1));
        assert_eq!(
            unit(&[("km", 1), ("h", -1)]).compare(&one("kph")),
            Units::Same
        );
        assert_eq!(
            unit(&[("km", 1), ("h", -1)]).compare(&one("km")),
            Units::Different
        );
        assert_eq!(
            unit(&[("km", 1), ("h", -1)]).compare(&unit(&[("m", 1), ("s", -1)])),
            times(5, 18)
        );
        assert_eq!(
            unit(&[("dollar", 1), ("h", -1)]).compare(&one("dollar")),
            Units::Same
        );
        assert_eq!(
            unit(&[("cent", 1), ("stamp", -1)]).compare(&one("cents")),
            Units::Same
        );
    }
}
