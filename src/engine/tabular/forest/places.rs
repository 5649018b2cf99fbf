//! Where the nodes of a file stand: from its numbers for trees and nodes to places in ours.
//!
//! Files may number trees and nodes as they like. Nearly all count 0, 1, 2, .. in the order of the
//! list, so that case costs no table.

use std::collections::HashMap;

/// Trees in the order of their first node, and the nodes of each in the order of the list.
pub struct Places {
    trees: HashMap<i64, usize>,
    ids: Vec<Ids>,
    /// Each entry of the list: its tree, and its place there. A tree's first node is its root.
    pub of: Vec<(usize, u32)>,
    /// Nodes in the trees before each tree.
    before: Vec<usize>,
}

/// The numbers that a tree's nodes have.
enum Ids {
    /// `first, first + 1, ..`, so many.
    Counted {
        first: i64,
        count: u32,
    },
    Table(HashMap<i64, u32>),
}

impl Places {
    /// `trees` and `ids` are the numbers of each node's tree and of the node itself.
    pub fn new(trees: &[i64], ids: &[i64]) -> Result<Self, String> {
        let mut places = Self { trees: HashMap::new(), ids: Vec::new(), of: Vec::new(), before: Vec::new() };
        places.of.reserve(ids.len());
        let mut last = None;
        for (tree, id) in trees.iter().zip(ids) {
            let number = match last {
                Some((known, number)) if known == *tree => number,
                _ => places.number(*tree),
            };
            last = Some((*tree, number));
            let place = places.ids[number].add(*id);
            let place = place.ok_or_else(|| format!("node {id} of tree {tree} is given twice"))?;
            places.of.push((number, place));
        }
        let mut before = 0;
        for ids in &places.ids {
            places.before.push(before);
            before += ids.len();
        }
        Ok(places)
    }

    fn number(&mut self, tree: i64) -> usize {
        let next = self.ids.len();
        let number = *self.trees.entry(tree).or_insert(next);
        if number == next {
            self.ids.push(Ids::Counted { first: 0, count: 0 });
        }
        number
    }

    /// The place of a node in its tree, by the tree's number here and the node's in the file.
    pub fn find(&self, tree: usize, id: i64) -> Option<u32> {
        self.ids.get(tree)?.find(id)
    }

    /// The place of a node among those of all trees, tree after tree, by the file's numbers.
    pub fn flat(&self, tree: i64, id: i64) -> Option<usize> {
        let tree = *self.trees.get(&tree)?;
        Some(self.before[tree] + self.find(tree, id)? as usize)
    }

    /// The same for an entry of the list.
    pub fn flat_of(&self, at: usize) -> usize {
        let (tree, place) = self.of[at];
        self.before[tree] + place as usize
    }

    pub fn trees(&self) -> usize {
        self.ids.len()
    }
}

impl Ids {
    /// Answers the new node's place, or `None` if its number is taken.
    fn add(&mut self, id: i64) -> Option<u32> {
        let place = u32::try_from(self.len()).ok()?;
        match self {
            Self::Counted { first, count } if *count == 0 => (*first, *count) = (id, 1),
            Self::Counted { first, count } if first.checked_add(i64::from(*count)) == Some(id) => *count += 1,
            Self::Counted { first, count } => {
                let mut table: HashMap<i64, u32> = (0..*count).map(|at| (*first + i64::from(at), at)).collect();
                if table.insert(id, place).is_some() {
                    return None;
                }
                *self = Self::Table(table);
            }
            Self::Table(table) => {
                if table.insert(id, place).is_some() {
                    return None;
                }
            }
        }
        Some(place)
    }

    fn find(&self, id: i64) -> Option<u32> {
        match self {
            Self::Counted { first, count } => {
                let at = u32::try_from(id.checked_sub(*first)?).ok()?;
                (at < *count).then_some(at)
            }
            Self::Table(table) => table.get(&id).copied(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Counted { count, .. } => *count as usize,
            Self::Table(table) => table.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_numbers_are_found_again() {
        // Tree 9 counts, tree 4 does not, and their nodes are mixed.
        let places = Places::new(&[9, 9, 4, 9, 4, 4], &[5, 6, 30, 7, -2, 31]).expect("no number twice");
        assert_eq!(places.of, [(0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (1, 2)]);
        assert_eq!([5, 7, 8, 4, i64::MIN].map(|id| places.find(0, id)), [Some(0), Some(2), None, None, None]);
        assert_eq!([30, -2, 31, 0].map(|id| places.find(1, id)), [Some(0), Some(1), Some(2), None]);
        assert_eq!([places.flat(9, 7), places.flat(4, 31), places.flat(3, 0)], [Some(2), Some(5), None]);
        assert_eq!((places.flat_of(3), places.flat_of(2), places.trees()), (2, 3, 2));
    }

    #[test]
    fn a_number_given_twice_is_refused() {
        assert!(Places::new(&[1, 1, 1], &[0, 1, 0]).is_err());
        assert!(Places::new(&[1, 1, 1], &[0, 5, 5]).is_err());
        assert!(Places::new(&[1, 2], &[0, 0]).is_ok());
        assert!(Places::new(&[1, 1], &[i64::MAX, i64::MIN]).is_ok());
    }
}
