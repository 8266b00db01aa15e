//! Unit files: what their `[Install]` and `[Unit]` sections say (systemd.syntax(7), systemd.unit(5)).

use super::unit_name::UnitName;

/// A `[Section]` key's values, in the order of the file and its drop-ins.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Install {
    pub(super) aliases: Vec<String>,
    pub(super) wanted_by: Vec<String>,
    pub(super) required_by: Vec<String>,
    pub(super) upheld_by: Vec<String>,
    pub(super) also: Vec<String>,
    pub(super) default_instance: Option<String>,
}

impl Install {
    /// Adds what a unit file or a drop-in says. An empty value takes back what came before, as systemd has it.
    pub(super) fn read(&mut self, text: &[u8]) {
        for (section, key, value) in assignments(text) {
            if section != "Install" {
                continue;
            }
            let list = match key.as_str() {
                "Alias" => &mut self.aliases,
                "WantedBy" => &mut self.wanted_by,
                "RequiredBy" => &mut self.required_by,
                "UpheldBy" => &mut self.upheld_by,
                "Also" => &mut self.also,
                "DefaultInstance" => {
                    self.default_instance = Some(value).filter(|value| !value.is_empty());
                    continue;
                }
                _ => continue,
            };
            // Also= is worked off as it is read, so it cannot be taken back.
            if value.is_empty() && key != "Also" {
                list.clear();
            }
            let words = value.split_whitespace();
            list.extend(words.map(|word| word.trim_matches(['"', '\'']).to_owned()));
        }
    }

    /// Whether enabling would do nothing.
    pub(super) fn is_empty(&self) -> bool {
        let lists = [
            &self.aliases,
            &self.wanted_by,
            &self.required_by,
            &self.upheld_by,
            &self.also,
        ];
        lists.iter().all(|list| list.is_empty())
    }
}

/// Every `key=value` of a unit file with its section; lines that end in a backslash go on in the next.
pub(super) fn assignments(text: &[u8]) -> Vec<(String, String, String)> {
    let text = String::from_utf8_lossy(text);
    let mut section = String::new();
    let mut found = Vec::new();
    let mut pending = String::new();
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        pending.push_str(line);
        if pending.ends_with('\\') {
            pending.pop();
            pending.push(' ');
            continue;
        }
        let whole = std::mem::take(&mut pending);
        if let Some(name) = whole.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_owned();
        } else if let Some((key, value)) = whole.split_once('=') {
            found.push((section.clone(), key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    found
}

/// Fills in the specifiers that depend on the unit's name alone; `Err` names one that does not.
pub(super) fn expand(text: &str, unit: &UnitName, default_instance: Option<&str>) -> Result<String, String> {
    let instance = match unit.is_template() {
        true => default_instance.unwrap_or_default(),
        false => unit.instance().unwrap_or_default(),
    };
    let instantiated = unit.with_instance(instance);
    let full = instantiated.as_ref().unwrap_or(unit).as_str();
    let mut expanded = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            expanded.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => expanded.push_str(full),
            Some('N') => expanded.push_str(full.rsplit_once('.').map_or(full, |(stem, _)| stem)),
            Some('p') => expanded.push_str(unit.prefix()),
            Some('j') => expanded.push_str(unit.prefix().rsplit('-').next().unwrap_or_default()),
            Some('i') => expanded.push_str(instance),
            Some('%') => expanded.push('%'),
            Some(other) => return Err(format!("%{other}")),
            None => expanded.push('%'),
        }
    }
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_comments_and_continued_lines() {
        let mut install = Install::default();
        install.read(
            b"[Unit]\nWantedBy=no.target\n# c\n[Install]\n; c\nWantedBy=a.target \\\n# inside\n  b.target\nAlias=\"x.service\" y.service\nAlso=z.socket\nWantedBy=c.target",
        );
        assert_eq!(install.wanted_by, ["a.target", "b.target", "c.target"]);
        assert_eq!(install.aliases, ["x.service", "y.service"]);
        install.read(b"[Install]\nWantedBy=\nRequiredBy=d.target\nDefaultInstance=tty1\n");
        assert_eq!((install.wanted_by.len(), install.required_by.len()), (0, 1));
        assert_eq!(install.default_instance.as_deref(), Some("tty1"));
        assert!(!install.is_empty());
    }

    #[test]
    fn specifiers_of_the_name() {
        let unit = UnitName::parse("a-b@i.service").unwrap();
        assert_eq!(
            expand("%n|%N|%p|%j|%i|%%|%", &unit, None).unwrap(),
            "a-b@i.service|a-b@i|a-b|b|i|%|%"
        );
        let template = UnitName::parse("t@.service").unwrap();
        assert_eq!(expand("%n %N %i", &template, Some("d")).unwrap(), "t@d.service t@d d");
        assert_eq!(expand("%n %N", &template, None).unwrap(), "t@.service t@");
        assert_eq!(expand("%H", &template, None).unwrap_err(), "%H");
    }
}
