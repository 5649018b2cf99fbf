//! The floors of `src/lib.rs`, kept true, with the two habits that a machine can check.
//!
//! A module names only floors below its own. Modules name each other by `crate::MODULE`, so that is
//! what is looked for, in code: comments and literals do not count. `super` stays inside a module.

use std::fs;
use std::path::{Path, PathBuf};

/// From the top. A module may name what stands on lower floors, and itself.
const FLOORS: &[&[&str]] = &[
    &["main", "lib"],
    &["cli"],
    &["app", "embed"],
    &["config"],
    &["front"],
    &["router"],
    &["registry"],
    &["batcher"],
    &["engine", "monitor", "traffic"],
    &["json"],
    &["tensor", "text", "metrics", "sync"],
];

/// A file longer than this holds more than one thing.
const MOST_LINES: usize = 450;

#[test]
fn modules_name_only_lower_floors() {
    let root = root().join("src");
    let mut faults = Vec::new();
    for path in rust_files(&root) {
        let module = module_of(&path, &root);
        for (line, named) in crate_references(&read(&path)) {
            if let Some(fault) = judge(&module, &named) {
                faults.push(format!("{}:{line}: {fault}", shown(&path)));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} edges go the wrong way:\n{}\nTo mend one: move the part that both need to a lower floor, or pass a value \
         in, or change the map in src/lib.rs and FLOORS in this test together.",
        faults.len(),
        faults.join("\n")
    );
}

#[test]
fn every_module_is_on_the_map() {
    let root = root().join("src");
    let mut missing: Vec<String> = rust_files(&root).iter().map(|path| module_of(path, &root)).collect();
    missing.retain(|module| floor(module).is_none());
    missing.dedup();
    assert!(missing.is_empty(), "give them a floor in src/lib.rs and in FLOORS here: {}", missing.join(", "));
}

#[test]
fn every_file_opens_with_its_purpose() {
    let files = ["src", "tests"].iter().flat_map(|folder| rust_files(&root().join(folder)));
    let bare: Vec<String> = files.filter(|path| !read(path).starts_with("//!")).map(|path| shown(&path)).collect();
    assert!(bare.is_empty(), "these do not open with `//!`, what they are and promise:\n{}", bare.join("\n"));
}

#[test]
fn no_file_is_too_long() {
    let lines = |path: &PathBuf| read(path).lines().count();
    let long: Vec<String> = rust_files(&root().join("src"))
        .iter()
        .map(|path| (path, lines(path)))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(path, lines)| format!("{}: {lines} lines", shown(path)))
        .collect();
    assert!(long.is_empty(), "longer than {MOST_LINES} lines; split by what the parts are for:\n{}", long.join("\n"));
}

/// What is wrong with `module` naming `named`, if anything is.
fn judge(module: &str, named: &str) -> Option<String> {
    let edge = format!("{module} -> {named}");
    match (floor(module), floor(named)) {
        _ if module == named => None,
        (None, _) => Some(format!("{edge}: '{module}' has no floor")),
        (_, None) => Some(format!("{edge}: '{named}' is no module with a floor: name the module it lives in")),
        (Some(from), Some(to)) if to > from => None,
        (Some(from), Some(to)) if to == from => Some(format!("{edge}: both stand on one floor")),
        _ => Some(format!("{edge}: '{named}' stands above '{module}'")),
    }
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The part of `src` that a file belongs to: a folder's name, or the file's own.
fn module_of(path: &Path, root: &Path) -> String {
    let inside = path.strip_prefix(root).expect("the file was found below the root");
    let first = inside.iter().next().expect("a file has a name").to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All `.rs` files below a folder, in order.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Every module named by `crate::`, with its line, also inside `use crate::{a, b}`.
fn crate_references(source: &str) -> Vec<(usize, String)> {
    let code: Vec<char> = code_only(source);
    let mut found = Vec::new();
    let mut line = 1;
    for at in 0..code.len() {
        line += usize::from(code[at] == '\n');
        let alone = at == 0 || !is_word(code[at - 1]);
        if alone && word_at(&code, at) == "crate" {
            let after = skip_space(&code, at + "crate".len());
            if code.get(after) == Some(&':') && code.get(after + 1) == Some(&':') {
                named_at(&code, skip_space(&code, after + 2), line, &mut found);
            }
        }
    }
    found
}

/// The module at `at`, or each one of a group in braces.
fn named_at(code: &[char], at: usize, line: usize, found: &mut Vec<(usize, String)>) {
    if code.get(at) != Some(&'{') {
        found.push((line, word_at(code, at)));
        return;
    }
    let (mut depth, mut line, mut opens_item) = (0, line, true);
    for (offset, letter) in code[at..].iter().enumerate() {
        match letter {
            '\n' => line += 1,
            '{' => depth += 1,
            '}' if depth == 1 => return,
            '}' => depth -= 1,
            ',' if depth == 1 => opens_item = true,
            letter if depth == 1 && opens_item && is_word(*letter) => {
                found.push((line, word_at(code, at + offset)));
                opens_item = false;
            }
            _ => {}
        }
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn word_at(code: &[char], at: usize) -> String {
    code.iter().skip(at).take_while(|letter| is_word(**letter)).collect()
}

fn skip_space(code: &[char], at: usize) -> usize {
    at + code.iter().skip(at).take_while(|letter| letter.is_whitespace()).count()
}

/// The source with comments and literals blanked out; lines stay where they are.
fn code_only(source: &str) -> Vec<char> {
    let mut text: Vec<char> = source.chars().collect();
    let mut at = 0;
    while at < text.len() {
        let end = literal_end(&text, at).min(text.len());
        for letter in &mut text[at..end] {
            if *letter != '\n' {
                *letter = ' ';
            }
        }
        at = end.max(at + 1);
    }
    text
}

/// Where the comment or literal that opens at `at` ends; `at` itself where none does.
fn literal_end(text: &[char], at: usize) -> usize {
    let starts = |words: &str| words.chars().enumerate().all(|(offset, letter)| text.get(at + offset) == Some(&letter));
    match text[at] {
        '/' if starts("//") => at + text[at..].iter().take_while(|letter| **letter != '\n').count(),
        '/' if starts("/*") => block_end(text, at),
        '"' => quoted_end(text, at, '"'),
        '\'' if text.get(at + 1) == Some(&'\\') || text.get(at + 2) == Some(&'\'') => quoted_end(text, at, '\''),
        'r' if at == 0 || !is_word(text[at - 1]) || text[at - 1] == 'b' => raw_end(text, at),
        _ => at,
    }
}

fn block_end(text: &[char], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at + 1 < text.len() {
        match (text[at], text[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') if depth == 1 => return at + 2,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
    }
    text.len()
}

fn quoted_end(text: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < text.len() && text[at] != quote {
        at += 1 + usize::from(text[at] == '\\');
    }
    at + 1
}

/// `r"..."`, `r#"..."#` and so on.
fn raw_end(text: &[char], start: usize) -> usize {
    let hashes = text[start + 1..].iter().take_while(|letter| **letter == '#').count();
    if text.get(start + 1 + hashes) != Some(&'"') {
        return start;
    }
    let body = start + 2 + hashes;
    let closes =
        |at: &usize| text[*at] == '"' && text[*at + 1..].iter().take(hashes).filter(|l| **l == '#').count() == hashes;
    (body..text.len()).find(closes).map_or(text.len(), |at| at + 1 + hashes)
}

#[test]
fn the_scanner_sees_code_and_nothing_else() {
    let source = r###"//! crate::comment
use crate::{alpha, beta::{Inner, Other},
    gamma::self};
use crate::delta::Thing; // crate::comment
/* crate::block /* crate::inner */ */
fn f<'a>(x: &'a crate :: epsilon::X) { g("crate::text", r#"crate::"raw""#, '"', '\'', crate::zeta::y()) }
pub(crate) fn not_a_crate::eta() {}
"###;
    let found = crate_references(source);
    let expected = [(2, "alpha"), (2, "beta"), (3, "gamma"), (4, "delta"), (6, "epsilon"), (6, "zeta")]
        .map(|(l, n)| (l, n.to_owned()));
    assert_eq!(found, expected);
}

#[test]
fn an_edge_is_judged_by_its_direction() {
    assert_eq!(judge("front", "router"), None);
    assert_eq!(judge("engine", "engine"), None);
    assert!(judge("engine", "batcher").is_some_and(|words| words.contains("above")));
    assert!(judge("tensor", "text").is_some_and(|words| words.contains("one floor")));
    assert!(judge("app", "embed").is_some());
    assert!(judge("front", "Tidegate").is_some_and(|words| words.contains("no module")));
}
