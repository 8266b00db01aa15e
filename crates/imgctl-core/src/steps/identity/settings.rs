//! Files of `NAME=value` lines that shells and systemd read.

/// One line: a setting's name and value, or something else as it is.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Line {
    name: Option<String>,
    text: String,
}

/// A file of settings, of which the lines that are not changed stay as they are.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::steps) struct Settings(Vec<Line>);

impl Settings {
    pub(in crate::steps) fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let line = |text: &str| {
            let stripped = text.trim_start();
            let stripped = stripped.strip_prefix("export ").unwrap_or(stripped);
            let name = stripped.split_once('=').map(|(name, _)| name.trim_end());
            let is_name = |name: &&str| {
                !name.is_empty()
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                    && !text.starts_with('#')
            };
            Line {
                name: name.filter(is_name).map(str::to_owned),
                text: text.to_owned(),
            }
        };
        Self(text.lines().map(line).collect())
    }

    /// The value of the last line that sets `name`, without quotes.
    pub(in crate::steps) fn get(&self, name: &str) -> Option<&str> {
        let line = self.0.iter().rfind(|line| line.name.as_deref() == Some(name))?;
        let (_, value) = line.text.split_once('=')?;
        let value = value.trim();
        let quoted = ['"', '\'']
            .iter()
            .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        Some(quoted.unwrap_or(value))
    }

    /// Has exactly one line set `name`: the last that did, else a new one at the end. A line that sets it to this already
    /// stays as it is written.
    pub(in crate::steps) fn set(&mut self, name: &str, value: &str, quotes: &str) {
        let is_set = self.get(name) == Some(value);
        let last = self.0.iter().rposition(|line| line.name.as_deref() == Some(name));
        match last {
            Some(_) if is_set => {}
            Some(index) => {
                if let Some(line) = self.0.get_mut(index) {
                    line.text = format!("{name}={quotes}{value}{quotes}");
                }
            }
            None => self.0.push(Line {
                name: Some(name.to_owned()),
                text: format!("{name}={quotes}{value}{quotes}"),
            }),
        }
    }

    /// Takes every line away that sets `name`.
    pub(in crate::steps) fn remove(&mut self, name: &str) {
        self.0.retain(|line| line.name.as_deref() != Some(name));
    }

    pub(in crate::steps) fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.0 {
            text.push_str(&line.text);
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_lines_stay() {
        let mut settings = Settings::parse(b"# LANG=no\nLANG=\"de_DE.UTF-8\"\n\nexport LC_TIME='C'\nLANG=C");
        assert_eq!((settings.get("LANG"), settings.get("LC_TIME")), (Some("C"), Some("C")));
        settings.set("LANG", "fr_FR.UTF-8", "");
        settings.set("LC_TIME", "C", "");
        settings.set("X", "a b", "\"");
        let text = "# LANG=no\nLANG=\"de_DE.UTF-8\"\n\nexport LC_TIME='C'\nLANG=fr_FR.UTF-8\nX=\"a b\"\n";
        assert_eq!(settings.text(), text);
        assert_eq!(settings.get("X"), Some("a b"));
        settings.remove("LANG");
        assert_eq!(settings.get("LANG"), None);
    }
}
