//! Statements and operators, by their precedence (perlop(1)).

use crate::ast::{Binary, Block, Expression, Logic, Slot, Statement};
use crate::error::{Error, Result};
use crate::scalar::Scalar;
use crate::scanner::{Names, Scanner};

/// Words that begin what only Perl itself can do.
const REFUSED: [&str; 16] = [
    "BEGIN", "END", "do", "eval", "for", "foreach", "given", "goto", "local", "no", "package", "redo", "require",
    "sub", "use", "when",
];

/// Reads scripts.
pub(crate) struct Parser<'t, 'n> {
    pub(crate) scanner: Scanner<'t>,
    pub(crate) names: &'n mut Names,
    /// Matches with `/g`, which remember their place.
    pub(crate) progressive_matches: usize,
    pub(crate) has_loops: bool,
}

impl<'t, 'n> Parser<'t, 'n> {
    pub(crate) fn new(text: &'t [u8], names: &'n mut Names) -> Self {
        Self {
            scanner: Scanner::new(text),
            names,
            progressive_matches: 0,
            has_loops: false,
        }
    }

    /// The whole script.
    pub(crate) fn script(&mut self) -> Result<Block> {
        let block = self.statements()?;
        if !self.scanner.is_at_end() {
            return Err(Error::new(format!(
                "the script has a `}}` too many, before {}",
                self.scanner.excerpt()
            )));
        }
        if self.progressive_matches > 1 || (self.progressive_matches > 0 && self.has_loops) {
            return Err(Error::real_perl(
                "a match with the flag `g`, which goes on where the last one ended,",
            ));
        }
        Ok(block)
    }

    /// One expression, which must be all there is.
    pub(crate) fn only_expression(&mut self) -> Result<Expression> {
        let expression = self.expression()?;
        self.scanner.skip_space();
        match self.scanner.is_at_end() {
            true => Ok(expression),
            false => Err(self.unexpected()),
        }
    }

    pub(crate) fn unexpected(&self) -> Error {
        match self.scanner.is_at_end() {
            true => Error::new("the script ends in the middle of an expression"),
            false => Error::new(format!("the script cannot be read at {}", self.scanner.excerpt()))
                .hint("expressions are Perl: `s/old/new/`, `$_ = \"\" if /pattern/`; statements are separated by `;`"),
        }
    }

    fn statements(&mut self) -> Result<Block> {
        let mut block = Vec::new();
        loop {
            self.scanner.skip_space();
            match self.scanner.peek() {
                None | Some(b'}') => return Ok(block),
                Some(b';') => self.scanner.advance(1),
                Some(b'{') => return Err(Error::real_perl("a block without a condition")),
                Some(_) => block.push(self.statement()?),
            }
        }
    }

    fn statement(&mut self) -> Result<Statement> {
        let word = self.scanner.peek_word();
        match word {
            b"if" | b"unless" => return self.conditional(),
            b"while" | b"until" => {
                self.scanner.advance(word.len());
                self.has_loops = true;
                let condition = self.condition(word == b"until")?;
                let body = self.block()?;
                return Ok(Statement::While {
                    condition,
                    body,
                    is_loop: true,
                });
            }
            _ => {}
        }
        if let Some(deletion) = self.deletion()? {
            return Ok(deletion);
        }
        let expression = self.expression()?;
        let statement = self.modified(expression)?;
        self.scanner.skip_space();
        match self.scanner.peek() {
            None | Some(b';' | b'}') => Ok(statement),
            _ => Err(self.unexpected()),
        }
    }

    /// `… if …`, `… unless …`, `… while …`.
    fn modified(&mut self, expression: Expression) -> Result<Statement> {
        self.scanner.skip_space();
        let word = self.scanner.peek_word();
        match word {
            b"if" | b"unless" => {
                self.scanner.advance(word.len());
                let condition = negated(self.expression()?, word == b"unless");
                Ok(Statement::If {
                    branches: vec![(Some(condition), vec![Statement::Do(expression)])],
                    is_block: false,
                })
            }
            b"while" | b"until" => {
                self.scanner.advance(word.len());
                self.has_loops = true;
                let condition = negated(self.expression()?, word == b"until");
                Ok(Statement::While {
                    condition,
                    body: vec![Statement::Do(expression)],
                    is_loop: false,
                })
            }
            b"for" | b"foreach" => Err(Error::real_perl("a `for` loop")),
            _ => Ok(Statement::Do(expression)),
        }
    }

    fn conditional(&mut self) -> Result<Statement> {
        let mut branches = Vec::new();
        let is_negated = self.scanner.take_word() == b"unless";
        self.names.open_scope();
        let condition = self.condition(is_negated)?;
        branches.push((Some(condition), self.block()?));
        loop {
            self.scanner.skip_space();
            if self.scanner.take_keyword("elsif") {
                let condition = self.condition(false)?;
                branches.push((Some(condition), self.block()?));
            } else if self.scanner.take_keyword("else") {
                branches.push((None, self.block()?));
                break;
            } else {
                break;
            }
        }
        self.names.close_scope();
        Ok(Statement::If {
            branches,
            is_block: true,
        })
    }

    fn condition(&mut self, is_negated: bool) -> Result<Expression> {
        self.expect("(")?;
        let condition = self.expression()?;
        self.expect(")")?;
        Ok(negated(condition, is_negated))
    }

    fn block(&mut self) -> Result<Block> {
        self.names.deeper()?;
        self.expect("{")?;
        self.names.open_scope();
        let block = self.statements()?;
        self.names.close_scope();
        self.expect("}")?;
        self.names.back();
        Ok(block)
    }

    pub(crate) fn expect(&mut self, token: &str) -> Result<()> {
        self.scanner.skip_space();
        match self.scanner.take(token) {
            true => Ok(()),
            false => Err(self.unexpected()),
        }
    }

    /// sed's `/…/d`, which is no Perl.
    fn deletion(&mut self) -> Result<Option<Statement>> {
        if self.scanner.peek() != Some(b'/') {
            return Ok(None);
        }
        let mut ahead = self.scanner.clone();
        let Ok((source, open)) = ahead.delimited("a pattern") else {
            return Ok(None);
        };
        let is_negated = ahead.take("!");
        let flags = ahead.letters();
        if !flags.contains(&b'd') {
            return Ok(None);
        }
        self.scanner = ahead;
        let flags: Vec<u8> = flags.iter().copied().filter(|flag| *flag != b'd').collect();
        let (pattern, _) = self.pattern(source, open, &flags, "imsxI")?;
        let on = Box::new(Expression::Variable(Slot::TOPIC));
        let condition = negated(Expression::Match { on, pattern }, is_negated);
        let nothing = Expression::Constant(Scalar::text(""));
        let cleared = Expression::Assign(Box::new(Expression::Variable(Slot::TOPIC)), Box::new(nothing));
        Ok(Some(Statement::If {
            branches: vec![(Some(condition), vec![Statement::Do(cleared)])],
            is_block: false,
        }))
    }

    /// `or`, `xor`, `and`, `not`.
    pub(crate) fn expression(&mut self) -> Result<Expression> {
        let mut left = self.low_and()?;
        loop {
            self.scanner.skip_space();
            let logic = match self.scanner.peek_word() {
                b"or" => Logic::Or,
                b"xor" => Logic::Xor,
                _ => return Ok(left),
            };
            self.scanner.take_word();
            left = Expression::Logic(logic, Box::new(left), Box::new(self.low_and()?));
        }
    }

    fn low_and(&mut self) -> Result<Expression> {
        let mut left = self.low_not()?;
        loop {
            self.scanner.skip_space();
            if !self.scanner.take_keyword("and") {
                return Ok(left);
            }
            left = Expression::Logic(Logic::And, Box::new(left), Box::new(self.low_not()?));
        }
    }

    fn low_not(&mut self) -> Result<Expression> {
        self.scanner.skip_space();
        match self.scanner.take_keyword("not") {
            true => {
                self.names.deeper()?;
                let inner = self.low_not()?;
                self.names.back();
                Ok(Expression::Not(Box::new(inner)))
            }
            false => self.assignment(),
        }
    }

    /// An expression that can stand in a list.
    pub(crate) fn assignment(&mut self) -> Result<Expression> {
        self.names.deeper()?;
        let expression = self.assignment_inner();
        self.names.back();
        expression
    }

    fn assignment_inner(&mut self) -> Result<Expression> {
        const UPDATES: [(&str, Binary); 8] = [
            ("**=", Binary::Power),
            ("+=", Binary::Add),
            ("-=", Binary::Subtract),
            ("*=", Binary::Multiply),
            (".=", Binary::Concatenate),
            ("/=", Binary::Divide),
            ("%=", Binary::Remainder),
            ("x=", Binary::Repeat),
        ];
        const LOGIC: [(&str, Logic); 3] = [("&&=", Logic::And), ("||=", Logic::Or), ("//=", Logic::DefinedOr)];
        let left = self.choice()?;
        self.scanner.skip_space();
        let rest = self.scanner.rest();
        if rest.starts_with(b"=") && !matches!(rest.get(1), Some(b'=' | b'~' | b'>')) {
            self.scanner.advance(1);
            let target = assignable(left)?;
            return Ok(Expression::Assign(Box::new(target), Box::new(self.assignment()?)));
        }
        for (token, operator) in UPDATES {
            if !(token == "x=" && rest.starts_with(b"x==")) && self.scanner.take(token) {
                let target = assignable(left)?;
                return Ok(Expression::Update(
                    operator,
                    Box::new(target),
                    Box::new(self.assignment()?),
                ));
            }
        }
        for (token, logic) in LOGIC {
            if self.scanner.take(token) {
                let target = assignable(left)?;
                return Ok(Expression::UpdateIf(
                    logic,
                    Box::new(target),
                    Box::new(self.assignment()?),
                ));
            }
        }
        Ok(left)
    }

    fn choice(&mut self) -> Result<Expression> {
        let condition = self.any_of()?;
        self.scanner.skip_space();
        if self.scanner.rest().starts_with(b"..") {
            return Err(Error::real_perl("a range of lines")
                .hint("Perl forgets a range after each line here; keep a variable: `$on = 1 if /begin/`"));
        }
        if !self.scanner.take("?") {
            return Ok(condition);
        }
        let yes = self.assignment()?;
        self.expect(":")?;
        let no = self.assignment()?;
        Ok(Expression::Choose(Box::new(condition), Box::new(yes), Box::new(no)))
    }

    fn any_of(&mut self) -> Result<Expression> {
        let mut left = self.all_of()?;
        loop {
            self.scanner.skip_space();
            let rest = self.scanner.rest();
            let logic = match rest {
                [b'|', b'|', next, ..] if *next != b'=' => Logic::Or,
                [b'/', b'/', next, ..] if *next != b'=' => Logic::DefinedOr,
                _ => return Ok(left),
            };
            self.scanner.advance(2);
            left = Expression::Logic(logic, Box::new(left), Box::new(self.all_of()?));
        }
    }

    fn all_of(&mut self) -> Result<Expression> {
        let mut left = self.operators(0)?;
        loop {
            self.scanner.skip_space();
            match self.scanner.rest() {
                [b'&', b'&', next, ..] if *next != b'=' => self.scanner.advance(2),
                _ => return Ok(left),
            }
            left = Expression::Logic(Logic::And, Box::new(left), Box::new(self.operators(0)?));
        }
    }

    /// Binary operators: 0 equality, 1 order, 2 sums, 3 products.
    pub(crate) fn operators(&mut self, level: usize) -> Result<Expression> {
        if level > 3 {
            return self.bound();
        }
        let mut left = self.operators(level + 1)?;
        loop {
            self.scanner.skip_space();
            let Some((operator, length)) = self.operator(level) else {
                return Ok(left);
            };
            self.scanner.advance(length);
            let right = self.operators(level + 1)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
    }

    /// The operator of this level here, and its length.
    fn operator(&self, level: usize) -> Option<(Binary, usize)> {
        let word = self.scanner.peek_word();
        let rest = self.scanner.rest();
        let second = rest.get(1).copied().unwrap_or_default();
        let is_update = second == b'=';
        let known = match (level, rest.first()?) {
            (0, b'=') if rest.starts_with(b"==") => (Binary::Equal, 2),
            (0, b'!') if rest.starts_with(b"!=") => (Binary::NotEqual, 2),
            (0, b'<') if rest.starts_with(b"<=>") => (Binary::Compare, 3),
            (1, b'<') if rest.starts_with(b"<=>") => return None,
            (1, b'<') if second == b'=' => (Binary::LessOrEqual, 2),
            (1, b'>') if second == b'=' => (Binary::GreaterOrEqual, 2),
            (1, b'<') if second != b'<' => (Binary::Less, 1),
            (1, b'>') if second != b'>' => (Binary::Greater, 1),
            (2, b'+') if !is_update => (Binary::Add, 1),
            (2, b'-') if !is_update => (Binary::Subtract, 1),
            (2, b'.') if !is_update && second != b'.' => (Binary::Concatenate, 1),
            (3, b'*') if !is_update && second != b'*' => (Binary::Multiply, 1),
            (3, b'/') if !is_update && second != b'/' => (Binary::Divide, 1),
            (3, b'%') if !is_update => (Binary::Remainder, 1),
            (0, _) => match word {
                b"eq" => (Binary::TextEqual, 2),
                b"ne" => (Binary::TextNotEqual, 2),
                b"cmp" => (Binary::TextCompare, 3),
                _ => return None,
            },
            (1, _) => match word {
                b"lt" => (Binary::TextLess, 2),
                b"gt" => (Binary::TextGreater, 2),
                b"le" => (Binary::TextLessOrEqual, 2),
                b"ge" => (Binary::TextGreaterOrEqual, 2),
                _ => return None,
            },
            (3, b'x') => {
                let count = word.get(1..).unwrap_or_default();
                let is_repeat = !word.is_empty() && count.iter().all(u8::is_ascii_digit);
                match is_repeat && !(count.is_empty() && second == b'=' && rest.get(2) != Some(&b'=')) {
                    true => (Binary::Repeat, 1),
                    false => return None,
                }
            }
            _ => return None,
        };
        Some(known)
    }

    /// `=~` and `!~`.
    fn bound(&mut self) -> Result<Expression> {
        let left = self.unary()?;
        self.scanner.skip_space();
        let is_negated = self.scanner.rest().starts_with(b"!~");
        if !is_negated && !self.scanner.rest().starts_with(b"=~") {
            return Ok(left);
        }
        self.scanner.advance(2);
        self.scanner.skip_space();
        let bound = self.matching(left)?;
        Ok(negated(bound, is_negated))
    }

    fn unary(&mut self) -> Result<Expression> {
        self.names.deeper()?;
        let expression = self.unary_inner();
        self.names.back();
        expression
    }

    fn unary_inner(&mut self) -> Result<Expression> {
        self.scanner.skip_space();
        match self.scanner.rest() {
            [b'+', b'+', ..] | [b'-', b'-', ..] => {
                let by = if self.scanner.next() == Some(b'+') { 1 } else { -1 };
                self.scanner.advance(1);
                let slot = Box::new(assignable(self.unary()?)?);
                Ok(Expression::Step {
                    slot,
                    by,
                    is_prefix: true,
                })
            }
            [b'!', next, ..] if *next != b'~' => {
                self.scanner.advance(1);
                // It binds tighter than `=~`.
                Ok(Expression::Not(Box::new(self.unary()?)))
            }
            [b'-', ..] => {
                self.scanner.advance(1);
                Ok(Expression::Negate(Box::new(self.unary()?)))
            }
            [b'+', ..] => {
                self.scanner.advance(1);
                self.unary()
            }
            [b'~' | b'\\', ..] => Err(Error::real_perl(format!("the operator at {}", self.scanner.excerpt()))),
            _ => self.power(),
        }
    }

    fn power(&mut self) -> Result<Expression> {
        let base = self.term()?;
        let base = match self.scanner.rest() {
            [b'+', b'+', ..] | [b'-', b'-', ..] => {
                let by = if self.scanner.next() == Some(b'+') { 1 } else { -1 };
                self.scanner.advance(1);
                let slot = Box::new(assignable(base)?);
                Expression::Step {
                    slot,
                    by,
                    is_prefix: false,
                }
            }
            _ => base,
        };
        self.scanner.skip_space();
        if self.scanner.rest().starts_with(b"**") && self.scanner.peek_at(2) != Some(b'=') {
            self.scanner.advance(2);
            return Ok(Expression::Binary(
                Binary::Power,
                Box::new(base),
                Box::new(self.unary()?),
            ));
        }
        Ok(base)
    }

    /// The expressions of a list, up to something else than a comma.
    pub(crate) fn list(&mut self) -> Result<Vec<Expression>> {
        let mut list = Vec::new();
        loop {
            self.scanner.skip_space();
            if self.is_at_expression_end() {
                return Ok(list);
            }
            list.push(self.assignment()?);
            self.scanner.skip_space();
            if !self.scanner.take(",") {
                return Ok(list);
            }
        }
    }

    /// Whether no operand can begin here.
    pub(crate) fn is_at_expression_end(&self) -> bool {
        const WORDS: [&[u8]; 18] = [
            b"if", b"unless", b"while", b"until", b"and", b"or", b"xor", b"eq", b"ne", b"lt", b"gt", b"le", b"ge",
            b"cmp", b"x", b"for", b"foreach", b"not",
        ];
        let word = self.scanner.peek_word();
        match self.scanner.peek() {
            None | Some(b';' | b'}' | b')' | b']' | b':' | b'?' | b',' | b'=' | b'*' | b'.' | b'>' | b'|' | b'&') => {
                true
            }
            Some(b'!') => matches!(self.scanner.peek_at(1), Some(b'=' | b'~')),
            _ => WORDS.contains(&word) && word != b"not",
        }
    }

    /// A word that means something only Perl itself can do.
    pub(crate) fn refused_word(word: &[u8]) -> Option<Error> {
        let word = std::str::from_utf8(word).ok()?;
        REFUSED.contains(&word).then(|| Error::real_perl(format!("`{word}`")))
    }
}

/// What can stand on the left of `=`.
pub(crate) fn assignable(expression: Expression) -> Result<Expression> {
    match expression {
        Expression::Variable(_) | Expression::Fresh(_) | Expression::Assign(..) | Expression::Update(..) => {
            Ok(expression)
        }
        _ => Err(Error::new("only variables like `$_` can be changed")),
    }
}

pub(crate) fn negated(expression: Expression, is_negated: bool) -> Expression {
    match is_negated {
        true => Expression::Not(Box::new(expression)),
        false => expression,
    }
}
