//! Names and their numbers, by first sight. Does not know what is named.

use std::collections::HashMap;
use std::hash::Hash;

/// So many names are searched one by one, which is faster than hashing.
const FEW: usize = 8;

/// Gives each name a number, dense from 0.
#[derive(Clone, Debug)]
pub(crate) struct Names<N> {
    names: Vec<N>,
    numbers: HashMap<N, usize>,
}

impl<N> Default for Names<N> {
    fn default() -> Self {
        Self { names: Vec::new(), numbers: HashMap::new() }
    }
}

impl<N: Copy + Eq + Hash> Names<N> {
    pub(crate) fn find(&self, name: N) -> Option<usize> {
        if self.names.len() <= FEW {
            return self.names.iter().position(|known| *known == name);
        }
        self.numbers.get(&name).copied()
    }

    /// The number of a name, and whether it is new.
    pub(crate) fn number(&mut self, name: N) -> (usize, bool) {
        if let Some(number) = self.find(name) {
            return (number, false);
        }
        let number = self.names.len();
        self.names.push(name);
        if self.names.len() == FEW + 1 {
            self.numbers = self.names.iter().copied().zip(0..).collect();
        } else if self.names.len() > FEW {
            self.numbers.insert(name, number);
        }
        (number, true)
    }
}

/// Something for each name.
#[derive(Clone, Debug)]
pub(crate) struct ByName<N, V> {
    names: Names<N>,
    values: Vec<V>,
}

impl<N, V> Default for ByName<N, V> {
    fn default() -> Self {
        Self { names: Names::default(), values: Vec::new() }
    }
}

impl<N: Copy + Eq + Hash, V> ByName<N, V> {
    pub(crate) fn get(&self, name: N) -> Option<&V> {
        self.values.get(self.names.find(name)?)
    }

    /// The last word counts.
    pub(crate) fn set(&mut self, name: N, value: V) {
        let (number, _) = self.names.number(name);
        match self.values.get_mut(number) {
            Some(known) => *known = value,
            None => self.values.push(value),
        }
    }

    /// What was said of a name first; of a new one, this.
    pub(crate) fn first(&mut self, name: N, value: V) -> V
    where
        V: Copy,
    {
        let (number, new) = self.names.number(name);
        if new {
            self.values.push(value);
        }
        self.values.get(number).copied().unwrap_or(value)
    }
}

impl<N: Copy + Eq + Hash, V> ByName<N, Vec<V>> {
    /// One more of a name.
    pub(crate) fn push(&mut self, name: N, value: V) {
        let (number, new) = self.names.number(name);
        if new {
            self.values.push(Vec::new());
        }
        if let Some(values) = self.values.get_mut(number) {
            values.push(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_however_many_there_are() {
        let texts: Vec<String> = (0..50).map(|number| format!("n{number}")).collect();
        let mut names = Names::default();
        for (number, text) in texts.iter().enumerate() {
            assert_eq!(names.number(text.as_str()), (number, true));
            for (known, text) in texts.iter().enumerate().take(number + 1) {
                assert_eq!(names.number(text.as_str()), (known, false));
            }
            assert_eq!(names.find("unknown"), None);
        }
    }

    #[test]
    fn a_name_keeps_what_was_said_first_or_last_or_all_of_it() {
        let texts: Vec<String> = (0..20).map(|number| format!("n{number}")).collect();
        let (mut one, mut all) = (ByName::default(), ByName::default());
        for (number, text) in texts.iter().enumerate() {
            assert_eq!(one.first(text.as_str(), number), number);
            assert_eq!(one.first(text.as_str(), 99), number);
            one.set(text.as_str(), number + 1);
            all.push(text.as_str(), number);
            all.push("n0", number);
        }
        assert_eq!(one.get("n7"), Some(&8));
        assert_eq!(all.get("n7"), Some(&vec![7]));
        assert_eq!(all.get("n0").map(Vec::len), Some(21));
        assert_eq!(one.get("unknown"), None);
    }
}
