//! Elements one after another, indented by two blanks for each level.

use std::io::{self, Write};

const INDENT: &str = "  ";

/// A document that is being written.
#[derive(Debug)]
pub(super) struct Xml<'w, W> {
    out: &'w mut W,
    /// The names of the elements that are open.
    open: Vec<&'static str>,
}

impl<'w, W: Write> Xml<'w, W> {
    pub(super) fn new(out: &'w mut W) -> io::Result<Self> {
        out.write_all(b"<?xml version=\"1.0\"?>\n")?;
        Ok(Self { out, open: Vec::new() })
    }

    /// Opens an element that others go into.
    pub(super) fn open(&mut self, name: &'static str) -> io::Result<()> {
        self.indent()?;
        writeln!(self.out, "<{name}>")?;
        self.open.push(name);
        Ok(())
    }

    /// The same with an attribute.
    pub(super) fn open_with(&mut self, name: &'static str, (attribute, value): (&str, &str)) -> io::Result<()> {
        self.indent()?;
        writeln!(self.out, "<{name} {attribute}=\"{}\">", escaped(value))?;
        self.open.push(name);
        Ok(())
    }

    /// Closes the element that was opened last.
    pub(super) fn close(&mut self) -> io::Result<()> {
        match self.open.pop() {
            Some(name) => {
                self.indent()?;
                writeln!(self.out, "</{name}>")
            }
            None => Ok(()),
        }
    }

    /// An element with a text.
    pub(super) fn element(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.raw_element(name, &escaped(text))
    }

    /// The same where there is a text that is not empty.
    pub(super) fn optional(&mut self, name: &str, text: Option<&str>) -> io::Result<()> {
        match text.filter(|text| !text.is_empty()) {
            Some(text) => self.element(name, text),
            None => Ok(()),
        }
    }

    /// An element with an attribute and a text.
    pub(super) fn element_with(&mut self, name: &str, (attribute, value): (&str, &str), text: &str) -> io::Result<()> {
        self.indent()?;
        writeln!(
            self.out,
            "<{name} {attribute}=\"{}\">{}</{name}>",
            escaped(value),
            escaped(text)
        )
    }

    /// An element with a text that needs no escapes.
    pub(super) fn raw_element(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.indent()?;
        writeln!(self.out, "<{name}>{text}</{name}>")
    }

    /// An element with one for each item; `<name/>` where there is none.
    pub(super) fn list<I: IntoIterator>(
        &mut self,
        name: &'static str,
        items: I,
        mut write: impl FnMut(&mut Self, I::Item) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut items = items.into_iter().peekable();
        if items.peek().is_none() {
            self.indent()?;
            return writeln!(self.out, "<{name}/>");
        }
        self.open(name)?;
        for item in items {
            write(self, item)?;
        }
        self.close()
    }

    fn indent(&mut self) -> io::Result<()> {
        self.out.write_all(INDENT.repeat(self.open.len()).as_bytes())
    }
}

/// Text as libxml2 writes it. Characters that XML has no room for are replaced, so that the document can be read.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\r' => escaped.push_str("&#13;"),
            '\t' | '\n' => escaped.push(character),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push(char::REPLACEMENT_CHARACTER),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_indented() {
        let mut out = Vec::new();
        let mut xml = Xml::new(&mut out).unwrap();
        xml.open("a").unwrap();
        xml.list("none", [0; 0], |_, _| Ok(())).unwrap();
        xml.list("some", [1, 2], |xml, item| xml.element("item", &item.to_string()))
            .unwrap();
        xml.optional("left-out", Some("")).unwrap();
        xml.element_with("m", ("dev", "/dev/\"x"), "/<&>\u{1}").unwrap();
        xml.close().unwrap();
        let expected = "<?xml version=\"1.0\"?>\n<a>\n  <none/>\n  <some>\n    <item>1</item>\n    <item>2</item>\n  </some>\n  <m dev=\"/dev/&quot;x\">/&lt;&amp;&gt;\u{fffd}</m>\n</a>\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
