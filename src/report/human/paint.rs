//! Colours, which only ever repeat what words say.

/// What a piece of text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// Headings and names.
    Strong,
    /// Of second rank.
    Dim,
    /// As expected.
    Good,
    /// Not as expected.
    Bad,
    /// Nothing is concluded.
    Doubt,
}

/// Applies tones, where they are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    /// SGR escape sequences may be used.
    pub colour: bool,
}

impl Paint {
    /// The text in this tone; without line breaks, so that an escape sequence never spans lines.
    pub fn tone(self, tone: Tone, text: &str) -> String {
        let sgr = match tone {
            Tone::Plain => "",
            Tone::Strong => "1",
            Tone::Dim => "2",
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Doubt => "33",
        };
        if !self.colour || sgr.is_empty() || text.is_empty() {
            return text.to_owned();
        }
        format!("\u{1b}[{sgr}m{text}\u{1b}[0m")
    }
}
