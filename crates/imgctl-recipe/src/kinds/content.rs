//! What files hold: text, lines and the expressions that find lines.

use imgctl_edit::Script;
use regex::bytes::{Regex, RegexBuilder};

use super::{Numbers, TextKind};
use crate::finding::{Complaint, quoted};

/// Memory for one compiled expression, in bytes.
const REGEX_SIZE_LIMIT: usize = 256 << 10;

/// Any text.
pub(crate) static CONTENT: TextKind = TextKind {
    title: "text",
    what: "a string",
    numbers: Numbers::Quote,
    check: |_| Ok(()),
    pattern: "",
};

/// A text without line breaks.
pub(crate) static LINE: TextKind = TextKind {
    title: "line",
    what: "a line of text",
    numbers: Numbers::Quote,
    check: check_line,
    pattern: r"^[^\r\n]*$",
};

/// A regular expression of the `regex` crate.
pub(crate) static REGEX: TextKind = TextKind {
    title: "regular expression",
    what: "a regular expression",
    numbers: Numbers::Quote,
    // Compiled by the section, which counts them.
    check: |_| Ok(()),
    pattern: "",
};

/// Perl for every line of a text.
pub(crate) static EDIT: TextKind = TextKind {
    title: "edit",
    what: "an edit like `s/old/new/`",
    numbers: Numbers::Quote,
    // Read by the section, which counts the expressions in it.
    check: |_| Ok(()),
    pattern: "",
};

fn check_line(text: &str) -> Result<(), Complaint> {
    if text.contains(['\n', '\r']) {
        return Err(
            Complaint::error("a line cannot contain a line break").hint("use one entry for each line, or `append`")
        );
    }
    if text.contains('\0') {
        return Err(Complaint::error("a line cannot contain a NUL character").hint("remove the `\\0`"));
    }
    Ok(())
}

/// Reads an edit.
pub(crate) fn script(text: &str) -> Result<Script, Complaint> {
    Script::parse(text).map_err(|error| {
        let complaint = Complaint::error(format!("the edit cannot be read: {error}"));
        match error.remedy() {
            Some(remedy) => complaint.hint(remedy),
            None => complaint,
        }
    })
}

/// Compiles an expression that is matched against one line without its end.
pub(crate) fn compile(text: &str) -> Result<Regex, Complaint> {
    const LONGEST: usize = 4096;
    let refuse = |why: &str| Complaint::error(format!("{} is not a regular expression: {why}", quoted(text)));
    if text.is_empty() {
        return Err(Complaint::error("the expression is empty and matches every line")
            .hint("remove `match` to add the line at the end"));
    }
    if text.len() > LONGEST {
        return Err(refuse("it is longer than 4096 bytes"));
    }
    let built = RegexBuilder::new(text)
        .size_limit(REGEX_SIZE_LIMIT)
        .dfa_size_limit(REGEX_SIZE_LIMIT)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => refuse("it is too large when compiled"),
        error => {
            // The last line says what is wrong; those before draw the place.
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            let why = last.strip_prefix("error: ").unwrap_or(last);
            refuse(why).hint("single quotes keep `\\` as it is; look-around and back-references are not supported")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        assert!(compile("^GRUB_TIMEOUT=").is_ok());
        for bad in ["", "(", "(?=a)", "a{1000}{1000}{1000}", &"a".repeat(5000)] {
            assert!(compile(bad).is_err(), "{bad}");
        }
    }
}
