//! Answers that are a grid of digits: a filled sudoku, row by row.

/// Marks of an empty cell.
const BLANKS: [char; 5] = ['.', '_', '·', '?', '□'];

/// The cells of a grid, by rows; `.` where one is empty. Rows stand on lines of their own, as many as there are, or else
/// between `;`, `\\` or spaces; then the grid must be square, four at least, and of digits no larger than its side, for
/// `12; 34` is a list and `123 456` a number.
pub(crate) fn grid(text: &str) -> Option<Vec<Vec<char>>> {
    let text = text.trim().trim_matches('$').trim();
    let (rows, lines) = if text.contains('\n') {
        (rows(text.lines().filter(|line| !is_frame(line)))?, true)
    } else if text.contains("\\\\") {
        (rows(text.split("\\\\"))?, false)
    } else if text.contains(';') {
        (rows(text.split(';'))?, false)
    } else {
        (rows(text.split_whitespace())?, false)
    };
    let width = rows.first()?.len();
    let even = rows.len() >= 2 && width >= 2 && rows.iter().all(|row| row.len() == width);
    let says_something = rows.iter().flatten().any(char::is_ascii_digit);
    let within = |cell: &char| {
        cell.to_digit(10)
            .is_none_or(|digit| (1..=width).contains(&(digit as usize)))
    };
    let square = || width >= 4 && rows.len() == width && rows.iter().flatten().all(within);
    (even && says_something && (lines || square())).then_some(rows)
}

/// The cells of each row; none if anything else stands there.
fn rows<'a>(rows: impl Iterator<Item = &'a str>) -> Option<Vec<Vec<char>>> {
    let cell = |c: char| match c {
        '0'..='9' => Some(c),
        blank if BLANKS.contains(&blank) => Some('.'),
        _ => None,
    };
    let between = |c: &char| !c.is_whitespace() && !matches!(c, '|' | '│' | '║' | '&');
    rows.map(|row| row.trim().trim_end_matches("\\\\"))
        .map(|row| row.chars().filter(between).map(cell).collect())
        .collect()
}

/// Is a line blank, or nothing but a line drawn between rows?
fn is_frame(line: &str) -> bool {
    let drawn = |c: char| matches!(c, '-' | '+' | '=' | '|' | '\u{2500}'..='\u{257f}');
    line.chars().all(|c| c.is_whitespace() || drawn(c))
}

/// The side of a grid, with the rows and the columns of its boxes.
const BOXES: [(usize, usize, usize); 3] = [(4, 2, 2), (6, 2, 3), (9, 3, 3)];

/// A text with the first sudoku in it drawn, lines around its boxes: of four, six or nine rows of digits and `.`, on lines of
/// their own. `None` where there is none.
///
/// ```
/// let drawn = outthink_answer::draw_grid("Fill the grid:\n1.3.\n3.12\n2143\n.3.1").unwrap();
/// assert!(drawn.starts_with("Fill the grid:\n┌─────┬─────┐\n│ 1 . │ 3 . │\n"), "{drawn}");
/// ```
pub fn draw_grid(text: &str) -> Option<String> {
    let is_row = |line: &str| {
        line.bytes()
            .all(|byte| byte == b'.' || byte.is_ascii_digit())
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let first = lines
        .iter()
        .position(|line| line.len() > 1 && is_row(line))?;
    let rows: Vec<(usize, &str)> = (first..lines.len())
        .map(|at| (at, lines[at]))
        .take_while(|(_, line)| is_row(line))
        .filter(|(_, line)| !line.is_empty())
        .collect();
    let (side, height, width) = BOXES.into_iter().find(|(side, ..)| *side == rows.len())?;
    if rows.iter().any(|(_, row)| row.len() != side) {
        return None;
    }
    let line = |left: &str, cross: &str, right: &str| {
        let part = "─".repeat(2 * width + 1);
        format!("{left}{}{right}", vec![part; side / width].join(cross))
    };
    let mut drawn: Vec<String> = lines[..first].iter().map(|&line| line.to_owned()).collect();
    drawn.push(line("┌", "┬", "┐"));
    for (index, (_, row)) in rows.iter().enumerate() {
        if index > 0 && index % height == 0 {
            drawn.push(line("├", "┼", "┤"));
        }
        let cells: Vec<String> = row.chars().map(|cell| format!(" {cell}")).collect();
        let boxes: Vec<String> = cells
            .chunks(width)
            .map(|cells| cells.concat() + " ")
            .collect();
        drawn.push(format!("│{}│", boxes.join("│")));
    }
    drawn.push(line("└", "┴", "┘"));
    let end = rows.last().map_or(lines.len(), |(at, _)| at + 1);
    drawn.extend(lines[end..].iter().map(|&line| line.to_owned()));
    Some(drawn.join("\n"))
}
