//! Files of virt-customize's commands (`--commands-from-file`, virt-customize(1)).

/// One command of such a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommandLine {
    /// The line it begins in, from 1.
    pub line: usize,
    /// The name of an option, without dashes.
    pub name: String,
    /// What follows the first space; empty where nothing does.
    pub value: String,
}

/// The commands of a file: a name and, after a space, its value in each line. Blank lines and those that begin with `#`
/// are none; a backslash at the end joins the next line as it is, with the line break.
pub fn command_lines(text: &str) -> impl Iterator<Item = CommandLine> {
    let mut lines = text.lines().zip(1..);
    std::iter::from_fn(move || {
        loop {
            let (first, line) = lines.next()?;
            let first = first.trim_start();
            if first.is_empty() || first.starts_with('#') {
                continue;
            }
            let mut whole = first.to_owned();
            while whole.ends_with('\\') {
                whole.pop();
                let Some((next, _)) = lines.next() else {
                    break;
                };
                whole.push('\n');
                whole.push_str(next);
            }
            let (name, value) = whole.split_once([' ', '\n']).unwrap_or((&whole, ""));
            return Some(CommandLine {
                line,
                name: name.to_owned(),
                value: value.to_owned(),
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_and_comments_left_out() {
        let text = "# c\n\n  write /a:x \\\n  y\\\nz\nupdate\nedit\\\n/a:s/b/c/\\";
        let found: Vec<_> = command_lines(text).collect();
        let expected = [
            (3, "write", "/a:x \n  y\nz"),
            (6, "update", ""),
            (7, "edit", "/a:s/b/c/"),
        ];
        let expected = expected.map(|(line, name, value)| CommandLine {
            line,
            name: name.to_owned(),
            value: value.to_owned(),
        });
        assert_eq!(found, expected);
    }
}
