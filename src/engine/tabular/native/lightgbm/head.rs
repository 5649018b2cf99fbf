//! The lines before the first tree.

/// What they say about prediction.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub version: String,
    pub trees_per_iteration: Option<u64>,
    pub classes: Option<u64>,
    /// Columns of a row, less one.
    pub last_feature: Option<u64>,
    pub feature_names: Vec<String>,
    /// What training saw in each column: `[low:high]`, categories as `2:0:1`, or `none`.
    pub feature_infos: Vec<String>,
    /// Empty where an objective of the user's own was trained for: answers are margins then.
    pub objective: String,
    /// Whether iterations are averaged, as random forests do.
    pub average: bool,
    /// How many trees follow, where the file says so.
    pub trees: Option<usize>,
}

impl Head {
    /// Takes in one line; unknown ones are for training.
    pub fn line(&mut self, line: &str) -> Result<(), String> {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        let number = || {
            let value = value.trim().parse().map(Some);
            value.map_err(|_| {
                format!("{key}: expected a whole number, got \"{}\"", crate::text::shorten(value_of(line), 40))
            })
        };
        match key {
            "version" => self.version = crate::text::shorten(value, 40),
            "num_class" => self.classes = number()?,
            "num_tree_per_iteration" => self.trees_per_iteration = number()?,
            "max_feature_idx" => self.last_feature = number()?,
            "objective" => self.objective = value.to_owned(),
            "average_output" => self.average = true,
            "feature_names" => self.feature_names = value.split_ascii_whitespace().map(str::to_owned).collect(),
            "feature_infos" => self.feature_infos = value.split_ascii_whitespace().map(str::to_owned).collect(),
            "tree_sizes" => self.trees = Some(value.split_ascii_whitespace().count()),
            _ => {}
        }
        Ok(())
    }
}

fn value_of(line: &str) -> &str {
    line.split_once('=').map_or("", |(_, value)| value)
}
