//! (see the issue)

pub mod pcapng;

/// x
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Format {
    /// x
    Human,
    /// x
    Json,
    /// x
    Junit,
}
/// x
#[derive(Debug)]
pub struct Look;
impl Look {
    /// x
    pub fn of(_: bool, _: usize, _: bool, _: bool) -> Self {
        Look
    }
}
impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Format::Human => "human",
            Format::Json => "json",
            Format::Junit => "junit",
        })
    }
}
impl Format {
    /// x
    pub fn render(&self, r: &crate::record::Record, _: &Look) -> String {
        let mut t = serde_json::to_string_pretty(r).unwrap_or_default();
        t.push('\n');
        t
    }
}
