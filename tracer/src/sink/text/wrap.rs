//! Paragraphs of styled words, wrapped to a width. What comes from the network is cleaned here of everything that could
//! steer a terminal.
use anstyle::Style;
use unicode_width::UnicodeWidthStr as _;

/// Text in one style.
pub(super) type Span = (Style, String);

/// Lines of a page.
pub(super) struct Page {
    pub(super) out: String,
    width: usize,
    color: bool,
}

impl Page {
    pub(super) const fn new(width: usize, color: bool) -> Self {
        Self { out: String::new(), width, color }
    }

    /// Writes `lead` (which fills `hang` columns, or less) and then `spans`, further lines indented by `hang`. A word
    /// that is wider than a line is not cut: addresses and commands are there to be copied.
    pub(super) fn paragraph(&mut self, hang: usize, lead: &[Span], spans: &[Span]) {
        let mut column = 0;
        for (style, text) in lead {
            let text = clean(text);
            column += text.width();
            self.styled(*style, &text);
        }
        self.out.push_str(&" ".repeat(hang.saturating_sub(column)));
        column = column.max(hang);
        for (style, text) in spans {
            let text = clean(text);
            let mut run = String::new();
            for word in text.split(' ').filter(|word| !word.is_empty()) {
                let wide = word.width();
                let gap = usize::from(column > hang);
                if column + gap + wide > self.width && column > hang {
                    self.styled(*style, &std::mem::take(&mut run));
                    self.out.push('\n');
                    self.out.push_str(&" ".repeat(hang));
                    column = hang;
                } else if gap == 1 {
                    run.push(' ');
                    column += 1;
                }
                run.push_str(word);
                column += wide;
            }
            self.styled(*style, &run);
        }
        self.out.push('\n');
    }

    fn styled(&mut self, style: Style, text: &str) {
        if !self.color || text.is_empty() || style.is_plain() {
            self.out.push_str(text);
        } else {
            self.out.push_str(&format!("{style}{text}{style:#}"));
        }
    }
}

/// Control characters (escape sequences begin with one) and those that turn the direction of writing become `�`.
pub(super) fn clean(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() || turns(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(width: usize, color: bool, spans: &[(Style, &str)]) -> String {
        let mut page = Page::new(width, color);
        let spans: Vec<Span> = spans.iter().map(|(style, text)| (*style, (*text).to_owned())).collect();
        page.paragraph(4, &[(Style::new(), "ab".into())], &spans);
        page.out
    }

    #[test]
    fn wraps_between_words_only() {
        let plain = Style::new();
        assert_eq!(
            page(12, false, &[(plain, "one two three"), (plain, "four")]),
            "ab  one two\n    three\n    four\n"
        );
        assert_eq!(page(10, false, &[(plain, "a 2001:db8::1:2:3 b")]), "ab  a\n    2001:db8::1:2:3\n    b\n");
    }

    #[test]
    fn styles_only_if_asked() {
        let bold = Style::new().bold();
        assert_eq!(page(80, true, &[(bold, "x"), (Style::new(), "y")]), "ab  \u{1b}[1mx\u{1b}[0m y\n");
        assert_eq!(page(80, false, &[(bold, "x"), (Style::new(), "y")]), "ab  x y\n");
    }

    #[test]
    fn terminals_are_safe() {
        let out = page(80, false, &[(Style::new(), "\u{1b}[2J\u{202e}x\n\u{9b}1m")]);
        assert_eq!(out, "ab  \u{fffd}[2J\u{fffd}x\u{fffd}\u{fffd}1m\n");
    }
}
