//! Tables for a terminal.

/// Rows in columns as wide as their widest cell, two blanks apart; the last column is not filled up.
pub fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// What stands in a cell that has nothing to say.
pub fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let text = table(&[row(["A", "B", "C"]), row(["long", "ä", "z"]), row(["x", "", ""])]);
        assert_eq!(text, "A     B  C\nlong  ä  z\nx\n");
    }
}
