//! The length of functions.

use super::scan::code_only;

/// A function and how many lines of code its body has, without blank lines and comments.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Function {
    /// The name.
    pub(super) name: String,
    /// The line of its `fn`, from 1.
    pub(super) line: usize,
    /// Lines of code between its braces.
    pub(super) lines: usize,
}

/// Every function with a body; one inside another counts for both.
pub(super) fn functions(text: &str) -> Vec<Function> {
    let code = code_only(text);
    let mut found = Vec::new();
    let mut open: Vec<(Function, usize)> = Vec::new();
    let mut signature: Option<Function> = None;
    let (mut depth, mut nesting) = (0_usize, 0_usize);
    for (index, line) in code.lines().enumerate() {
        let starts_with_close = line.trim() == "}";
        if !line.trim().is_empty() && !starts_with_close {
            open.iter_mut().for_each(|(function, _)| function.lines += 1);
        } else if starts_with_close {
            let inner = open.iter_mut().filter(|(_, at)| *at < depth);
            inner.for_each(|(function, _)| function.lines += 1);
        }
        if let Some(name) = function_name(line) {
            signature = Some(Function {
                name,
                line: index + 1,
                lines: 0,
            });
            nesting = 0;
        }
        for letter in line.chars() {
            match letter {
                '(' | '[' => nesting += 1,
                ')' | ']' => nesting = nesting.saturating_sub(1),
                ';' if nesting == 0 => signature = None,
                '{' => {
                    depth += 1;
                    open.extend(signature.take().map(|function| (function, depth)));
                }
                '}' => {
                    if open.last().is_some_and(|(_, at)| *at == depth) {
                        found.extend(open.pop().map(|(function, _)| function));
                    }
                    depth = depth.saturating_sub(1);
                }
                _ => {}
            }
        }
    }
    found
}

/// The name after `fn` in a line of blanked code. Types like `fn(u8)` have none.
fn function_name(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    words.by_ref().find(|word| *word == "fn")?;
    let name: String = words
        .next()?
        .chars()
        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_code_of_a_body() {
        let text = "impl A {\n    fn one(&self) -> u8 {\n        // why\n\n        if x {\n            y();\n        }\n        3\n    }\n    fn declared(&self, a: [u8; 3]);\n    fn short() {}\n}\n";
        let found = functions(text);
        let expected = |name: &str, line, lines| Function {
            name: name.to_owned(),
            line,
            lines,
        };
        assert_eq!(found, [expected("one", 2, 4), expected("short", 11, 0)]);
    }

    #[test]
    fn a_signature_may_take_several_lines() {
        let text = "fn long<F>(\n    call: F,\n) -> Result<()>\nwhere\n    F: Fn(),\n{\n    call();\n    Ok(())\n}\n";
        assert_eq!(
            functions(text),
            [Function {
                name: "long".to_owned(),
                line: 1,
                lines: 2
            }]
        );
    }

    #[test]
    fn braces_in_literals_do_not_count() {
        let text = "fn a() {\n    let s = \"}\";\n    let c = '{';\n}\nfn b() {\n    x\n}\n";
        assert_eq!(
            functions(text)
                .iter()
                .map(|function| function.lines)
                .collect::<Vec<_>>(),
            [2, 1]
        );
    }
}
