//! Tables that fit: first every cell on one line, then some on several, then columns one after the other fold into a line
//! of text below their row. Nothing is cut, and no word is broken.

use tabled::builder::Builder;
use tabled::settings::formatting::AlignmentStrategy;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Padding, Style};

use super::paint::{Paint, Tone};
use super::text::{plain, width, wrap_parts};

/// Between columns.
const GAP: usize = 2;

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its heading; one or two lines when there is not room for one.
    heading: &'static [&'static str],
    /// Before the value in a folded line: `checks 12 of 234`.
    label: &'static str,
    /// Numbers and times.
    right: bool,
    /// Folded in this order; columns without one stay.
    fold: Option<u8>,
}

impl Column {
    /// A column of text that stays.
    pub const fn text(heading: &'static [&'static str]) -> Column {
        Column { heading, label: "", right: false, fold: None }
    }

    /// A column of numbers that stays.
    pub const fn number(heading: &'static [&'static str]) -> Column {
        Column { heading, label: "", right: true, fold: None }
    }

    /// The same, which may fold: a lower `order` first; there `label` stands before the value.
    pub const fn fold(self, order: u8, label: &'static str) -> Column {
        Column { label, fold: Some(order), ..self }
    }
}

/// What stands in a row of a column: parts that stand on one line, or one below the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    parts: Vec<String>,
    tone: Tone,
    /// Not worth a word where there is no column for it.
    idle: bool,
}

impl Cell {
    /// A cell of one part.
    pub fn of(text: impl AsRef<str>) -> Cell {
        Cell::parts([text])
    }

    /// A cell of several parts.
    pub fn parts<T: AsRef<str>>(parts: impl IntoIterator<Item = T>) -> Cell {
        let parts = parts.into_iter().map(|part| plain(part.as_ref())).filter(|part| !part.is_empty());
        Cell { parts: parts.collect(), ..Cell::default() }
    }

    /// There is no value.
    pub fn none() -> Cell {
        Cell { tone: Tone::Dim, idle: true, ..Cell::of("–") }
    }

    /// A count, which is only worth a column when it is nothing.
    pub fn count(n: u32) -> Cell {
        Cell { idle: n == 0, ..Cell::of(n.to_string()) }
    }

    /// The value, or none.
    pub fn maybe(text: Option<String>) -> Cell {
        text.map_or_else(Cell::none, Cell::of)
    }

    /// The same cell in a tone.
    pub fn tone(self, tone: Tone) -> Cell {
        Cell { tone, ..self }
    }

    fn lines(&self, stacked: bool) -> Vec<String> {
        if stacked { self.parts.clone() } else { vec![self.parts.join(" ")] }
    }
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Table {
        Table { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row; as many cells as there are columns.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Drops columns that have no value in any row.
    pub fn without_empty_columns(mut self) -> Table {
        let none = Cell::none();
        let used: Vec<bool> = (0..self.columns.len())
            .map(|i| self.rows.iter().filter_map(|row| row.get(i)).any(|cell| !cell.parts.is_empty() && *cell != none))
            .collect();
        let mut keep = used.iter();
        self.columns.retain(|_| keep.next().copied().unwrap_or(true));
        for row in &mut self.rows {
            let mut keep = used.iter();
            row.retain(|_| keep.next().copied().unwrap_or(true));
        }
        self
    }

    /// The lines of the table, at most `columns` wide where that is possible at all.
    pub fn lines(&self, columns: usize, paint: Paint) -> Vec<String> {
        let layout = self.layout(columns);
        let mut builder = Builder::default();
        let headings: Vec<Vec<String>> = layout.shown.iter().map(|shown| self.heading(shown)).collect();
        builder.push_record(headings.iter().map(|lines| painted(lines, Tone::Dim, paint)));
        for row in &self.rows {
            let cells = layout.shown.iter().filter_map(|shown| Some((row.get(shown.index)?, shown.stacked)));
            builder.push_record(cells.map(|(cell, stacked)| painted(&cell.lines(stacked), cell.tone, paint)));
        }
        let mut table = builder.build();
        table.with(Style::empty()).with(Padding::new(0, GAP, 0, 0)).with(AlignmentStrategy::PerLine);
        for (position, shown) in layout.shown.iter().enumerate() {
            if self.columns.get(shown.index).is_some_and(|c| c.right) {
                table.modify(Columns::one(position), Alignment::right());
            }
        }
        let text = table.to_string();
        let mut drawn = text.lines().map(|line| line.trim_end().to_owned());
        let mut lines: Vec<String> = Vec::new();
        let height = headings.iter().map(Vec::len).max().unwrap_or(1);
        lines.extend(drawn.by_ref().take(height));
        lines.push(paint.tone(Tone::Dim, &"─".repeat(self.width(&layout).min(columns))));
        for row in &self.rows {
            let cells = layout.shown.iter().filter_map(|shown| Some(row.get(shown.index)?.lines(shown.stacked).len()));
            let height = cells.max().unwrap_or(1).max(1);
            lines.extend(drawn.by_ref().take(height));
            let folded = wrap_parts(&self.folded(row, &layout), columns.saturating_sub(GAP));
            lines.extend(folded.iter().map(|line| paint.tone(Tone::Dim, &format!("{:GAP$}{line}", ""))));
        }
        lines
    }

    /// Values of a row that have no column, each after its label.
    fn folded(&self, row: &[Cell], layout: &Layout) -> Vec<String> {
        let shown = |i: usize| layout.shown.iter().any(|shown| shown.index == i);
        let hidden = self.columns.iter().zip(row).enumerate().filter(|(i, _)| !shown(*i)).map(|(_, both)| both);
        let said = hidden.filter(|(_, cell)| !cell.parts.is_empty() && !cell.idle);
        said.map(|(column, cell)| format!("{} {}", column.label, cell.parts.join(" ")).trim().to_owned()).collect()
    }

    /// Columns fold until the rest fits with every cell as narrow as it can be; then, from left to right, cells go back to
    /// one line while there is room.
    fn layout(&self, columns: usize) -> Layout {
        let shown = (0..self.columns.len()).map(|index| Shown { index, stacked: true }).collect();
        let mut layout = Layout { shown };
        let order = |shown: &Shown| self.columns.get(shown.index).and_then(|c| c.fold);
        while self.width(&layout) > columns
            && let Some(next) = layout.shown.iter().filter_map(order).min()
        {
            layout.shown.retain(|shown| order(shown) != Some(next));
        }
        for i in 0..layout.shown.len() {
            let set = |layout: &mut Layout, stacked| {
                layout.shown.iter_mut().skip(i).take(1).for_each(|s| s.stacked = stacked)
            };
            set(&mut layout, false);
            if self.width(&layout) > columns {
                set(&mut layout, true);
            }
        }
        layout
    }

    fn heading(&self, shown: &Shown) -> Vec<String> {
        let heading = self.columns.get(shown.index).map_or(&[][..], |c| c.heading);
        if shown.stacked { heading.iter().map(|h| (*h).to_owned()).collect() } else { vec![heading.join(" ")] }
    }

    fn width(&self, layout: &Layout) -> usize {
        let column = |shown: &Shown| {
            let cells = self.rows.iter().filter_map(|row| row.get(shown.index)).flat_map(|c| c.lines(shown.stacked));
            cells.chain(self.heading(shown)).map(|line| width(&line)).max().unwrap_or(0)
        };
        let gaps = GAP * layout.shown.len().saturating_sub(1);
        layout.shown.iter().map(column).sum::<usize>() + gaps
    }
}

/// How a table is drawn: the columns that are not folded.
struct Layout {
    shown: Vec<Shown>,
}

/// A column that is not folded.
struct Shown {
    index: usize,
    /// Parts of cells stand one below the other.
    stacked: bool,
}

fn painted(lines: &[String], tone: Tone, paint: Paint) -> String {
    lines.iter().map(|line| paint.tone(tone, line)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Paint = Paint { colour: false };

    fn sample() -> Table {
        let mut table = Table::new([
            Column::text(&["offer"]),
            Column::text(&["selected pair"]),
            Column::number(&["checks", "answered"]).fold(1, "checks answered"),
            Column::number(&["connect"]).fold(2, "connected after"),
        ]);
        table.row(vec![
            Cell::of("alice → bob"),
            Cell::parts(["host 10.1.0.2:1", "→ relay 198.51.100.5:2"]),
            Cell::of("12 of 234"),
            Cell::of("515 ms"),
        ]);
        table.row(vec![Cell::of("bob → alice"), Cell::none(), Cell::of("0 of 408"), Cell::none()]);
        table
    }

    #[test]
    fn everything_stands_on_one_line_where_there_is_room() {
        assert_eq!(
            sample().lines(80, PLAIN),
            [
                "offer        selected pair                           checks answered  connect",
                "─────────────────────────────────────────────────────────────────────────────",
                "alice → bob  host 10.1.0.2:1 → relay 198.51.100.5:2        12 of 234   515 ms",
                "bob → alice  –                                              0 of 408        –",
            ]
        );
    }

    #[test]
    fn cells_stack_before_columns_fold() {
        assert_eq!(
            sample().lines(60, PLAIN),
            [
                "offer        selected pair              checks  connect",
                "                                      answered",
                "───────────────────────────────────────────────────────",
                "alice → bob  host 10.1.0.2:1         12 of 234   515 ms",
                "             → relay 198.51.100.5:2",
                "bob → alice  –                        0 of 408        –",
            ]
        );
        assert_eq!(
            sample().lines(40, PLAIN),
            [
                "offer        selected pair",
                "───────────────────────────────────",
                "alice → bob  host 10.1.0.2:1",
                "             → relay 198.51.100.5:2",
                "  checks answered 12 of 234",
                "  connected after 515 ms",
                "bob → alice  –",
                "  checks answered 0 of 408",
            ]
        );
    }

    #[test]
    fn colours_change_no_place() {
        let coloured = sample().lines(60, Paint { colour: true }).join("\n");
        assert!(coloured.contains("\u{1b}[2moffer\u{1b}[0m"));
        let mut bare = coloured;
        for sgr in ["\u{1b}[2m", "\u{1b}[0m"] {
            bare = bare.replace(sgr, "");
        }
        let bare: Vec<&str> = bare.lines().map(str::trim_end).collect();
        assert_eq!(bare, sample().lines(60, PLAIN));
    }

    #[test]
    fn a_column_without_any_value_goes_away() {
        let mut table = Table::new([Column::text(&["a"]), Column::text(&["b"]), Column::text(&["c"])]);
        table.row(vec![Cell::of("1"), Cell::none(), Cell::default()]);
        assert_eq!(table.without_empty_columns().lines(80, PLAIN), ["a", "─", "1"]);
    }
}
