//! libpcap filter expressions on frames of files.
use crate::wire::LinkType;

/// A filter expression. It is compiled for each link type as frames of that type come.
pub struct Filter {
    expression: String,
    programs: Vec<(LinkType, Option<pcap::BpfProgram>)>,
    unusable: Vec<FilterError>,
}

/// An expression that libpcap does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("filter '{expression}' does not compile for {link}: {text}; see 'man pcap-filter'")]
pub struct FilterError {
    /// The expression.
    pub expression: String,
    /// The link type it was compiled for.
    pub link: LinkType,
    /// What libpcap says.
    pub text: String,
}

impl Filter {
    /// Compiles the expression for Ethernet, so that errors show at once.
    ///
    /// # Errors
    /// Where libpcap does not take it.
    pub fn new(expression: &str) -> Result<Self, FilterError> {
        let program = compile(expression, LinkType::ETHERNET)?;
        let programs = vec![(LinkType::ETHERNET, Some(program))];
        Ok(Self { expression: expression.into(), programs, unusable: Vec::new() })
    }

    /// Whether a frame passes. None of a link type for which the expression can't be compiled does: see
    /// [`Filter::unusable`]. `len`, `less` and `greater` see the captured length.
    #[inline]
    pub fn matches(&mut self, link: LinkType, bytes: &[u8]) -> bool {
        if let Some((_, program)) = self.programs.iter().find(|(of, _)| *of == link) {
            return program.as_ref().is_some_and(|program| program.filter(bytes));
        }
        let program = self.compile(link);
        let passes = program.as_ref().is_some_and(|program| program.filter(bytes));
        self.programs.push((link, program));
        passes
    }

    /// Link types that came but for which the expression does not compile.
    #[must_use]
    pub fn unusable(&self) -> &[FilterError] {
        &self.unusable
    }

    #[cold]
    fn compile(&mut self, link: LinkType) -> Option<pcap::BpfProgram> {
        match compile(&self.expression, link) {
            Ok(program) => Some(program),
            Err(error) => {
                self.unusable.push(error);
                None
            }
        }
    }
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filter").field("expression", &self.expression).finish_non_exhaustive()
    }
}

fn compile(expression: &str, link: LinkType) -> Result<pcap::BpfProgram, FilterError> {
    // libpcap's own numbers are those of files but for raw IP.
    let number = match link {
        LinkType::RAW | LinkType::RAW_12 | LinkType::RAW_14 => 12,
        LinkType(number) => number.cast_signed(),
    };
    pcap::Capture::dead(pcap::Linktype(number)).and_then(|dead| dead.compile(expression, true)).map_err(
        |error| {
            let text = match error {
                pcap::Error::PcapError(text) => text,
                other => other.to_string(),
            };
            FilterError { expression: expression.into(), link, text }
        },
    )
}
