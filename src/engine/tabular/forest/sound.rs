//! What the forms of a forest have in common where they are checked.

/// Whether every tree is exactly as deep as it says. `child` tells how far behind a node the first
/// of its two children is, or that it is a leaf; children must be known to be inside.
pub fn depths_hold(nodes: usize, trees: &[(u32, u32)], child: impl Fn(usize) -> Option<usize>) -> bool {
    let mut depths = vec![0u32; nodes];
    // Children stand behind their parents, so they come first this way.
    for at in (0..nodes).rev() {
        if let Some(distance) = child(at) {
            depths[at] = 1 + depths[at + distance].max(depths[at + distance + 1]);
        }
    }
    trees.iter().all(|(root, depth)| depths.get(*root as usize) == Some(depth))
}

/// Whether these are all numbers below `count`, each once.
pub fn each_once(numbers: impl ExactSizeIterator<Item = usize>, count: usize) -> bool {
    let mut seen = vec![false; count];
    numbers.len() == count
        && numbers.into_iter().all(|number| seen.get_mut(number).is_some_and(|seen| !std::mem::replace(seen, true)))
}
