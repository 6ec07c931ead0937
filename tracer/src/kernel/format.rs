//! A tracepoint's `format` file: which fields its record has and where, and the names its numbers print as.
//!
//! The text is the running kernel's (`events/<category>/<name>/format` in tracefs, Documentation/trace/events.rst), so
//! positions and names are never guessed by version.
use std::collections::BTreeMap;

/// Longest file that is read; the longest of 6.18 has 5 kB.
const MOST: usize = 1 << 20;

/// A field of a tracepoint's record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    /// Its name, without array brackets.
    pub name: String,
    /// Its type as C writes it: `const void *`, `__u8`.
    pub kind: String,
    /// Octets from the record's start.
    pub offset: u32,
    /// Octets.
    pub size: u32,
}

/// One tracepoint, as the running kernel describes it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Format {
    fields: Vec<Field>,
    /// Per field what `__print_symbolic` prints.
    symbols: BTreeMap<String, Vec<(u64, String)>>,
}

impl Format {
    /// Reads a `format` file. Lines that are none of its own are passed over: an unknown addition costs nothing.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut format = Self::default();
        let text = text.get(..MOST).unwrap_or(text);
        for line in text.lines() {
            if let Some(rest) = line.trim_start().strip_prefix("field:") {
                format.fields.extend(field(rest));
            } else if let Some(print) = line.strip_prefix("print fmt:") {
                format.symbols = symbols(print);
            }
        }
        format
    }

    /// A field by name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name == name)
    }

    /// All fields but the common ones, in order.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|f| !f.name.starts_with("common_"))
    }

    /// The numbers a field has names for, and the names; empty where the kernel prints none.
    #[must_use]
    pub fn names(&self, field: &str) -> &[(u64, String)] {
        self.symbols.get(field).map_or(&[], Vec::as_slice)
    }
}

/// `__u8 saddr[4]; offset:32; size:4; signed:0;`, with tabs between.
fn field(text: &str) -> Option<Field> {
    let mut parts = text.split(';').map(str::trim);
    let declared = parts.next()?;
    let number = |name: &str| {
        let mut values = text.split(';').filter_map(|p| p.trim().strip_prefix(name)?.strip_prefix(':'));
        values.next()?.parse().ok()
    };
    let plain = declared.split('[').next()?.trim_end();
    let at = plain.rfind(|c: char| !c.is_alphanumeric() && c != '_')?;
    let (kind, name) = plain.split_at(at + 1);
    Some(Field {
        name: name.to_owned(),
        kind: kind.trim().to_owned(),
        offset: number("offset")?,
        size: number("size")?,
    })
    .filter(|f| !f.name.is_empty())
}

/// Every `__print_symbolic(REC->field, { 2, "AF_INET" }, …)` of a print format.
fn symbols(print: &str) -> BTreeMap<String, Vec<(u64, String)>> {
    let mut all = BTreeMap::new();
    for call in print.split("__print_symbolic(").skip(1) {
        let Some((of, list)) = call.split_once(',') else { continue };
        let Some(name) = of.trim().strip_prefix("REC->") else { continue };
        let mut names = Vec::new();
        let mut rest = list;
        // Each pair is `{ number, "name" }`; the call ends where no brace follows.
        while let Some(open) = rest.trim_start_matches([',', ' ']).strip_prefix('{') {
            let Some((pair, after)) = open.split_once('}') else { break };
            rest = after;
            if let Some((number, name)) = pair.split_once(',') {
                // Some kernels print the enum's own word instead of its number: those come from BTF.
                names.extend(number_of(number.trim()).map(|n| (n, name.trim().trim_matches('"').to_owned())));
            }
        }
        all.insert(name.trim().to_owned(), names);
    }
    all
}

fn number_of(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_names() {
        let format = Format::parse(
            "name: x\nID: 1\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n\
             \tfield:const void * skaddr;\toffset:8;\tsize:8;\tsigned:0;\n\
             \tfield:__u8 saddr[28];\toffset:32;\tsize:28;\tsigned:0;\n\
             \tfield:__data_loc char[] comm;\toffset:60;\tsize:4;\tsigned:0;\n\
             print fmt: \"r=%s s=%s\", __print_symbolic(REC->reason, { 2, \"A_B\" }, { 0x10003, \"C\" }), \
             REC->s ? __print_symbolic(REC->s, { TCP_CLOSE, \"TCP_CLOSE\" }) : \"?\"\n",
        );
        let saddr = format.field("saddr").unwrap();
        assert_eq!((saddr.offset, saddr.size, saddr.kind.as_str()), (32, 28, "__u8"));
        assert_eq!(format.field("skaddr").unwrap().kind, "const void *");
        assert_eq!(format.fields().count(), 3);
        assert_eq!(format.names("reason"), [(2, "A_B".to_owned()), (0x10003, "C".to_owned())]);
        assert!(format.names("s").is_empty() && format.names("other").is_empty());
    }

    #[test]
    fn any_text_is_taken() {
        for text in [
            "",
            "field:",
            "field:x;offset:",
            "print fmt: __print_symbolic(",
            "print fmt: __print_symbolic(REC->a,{",
        ] {
            assert_eq!(Format::parse(text).fields().count(), 0, "{text}");
        }
    }
}
