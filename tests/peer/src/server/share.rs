// SPDX-License-Identifier: GPL-2.0
//! Files in memory.

use std::collections::BTreeMap;

use crate::smb2::status;

/// Biggest file: a client shall not fill the memory of the guest.
const LARGEST: u64 = 64 << 20;

/// A file, or a directory if it has no data.
#[derive(Clone, Debug)]
pub struct Node {
    pub id: u64,
    pub data: Option<Vec<u8>>,
    pub changed: u64,
}

impl Node {
    pub fn is_directory(&self) -> bool {
        self.data.is_none()
    }

    pub fn len(&self) -> u64 {
        self.data.as_ref().map_or(0, |d| d.len() as u64)
    }

    /// FILE_ATTRIBUTE_DIRECTORY or FILE_ATTRIBUTE_NORMAL.
    pub fn attributes(&self) -> u32 {
        if self.is_directory() {
            0x10
        } else {
            0x80
        }
    }
}

/// An open file.
pub struct Handle {
    pub path: String,
    pub delete: bool,
    /// Entries of the directory that were given out.
    pub listed: Option<usize>,
}

/// The tree, by path with backslashes; the root is the empty path.
pub struct Share {
    nodes: BTreeMap<String, Node>,
    handles: BTreeMap<u64, Handle>,
    next: u64,
}

impl Share {
    pub fn new() -> Self {
        let mut this = Share {
            nodes: BTreeMap::new(),
            handles: BTreeMap::new(),
            next: 1,
        };
        this.add("", None);
        this
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Make or replace a file (with data) or a directory.
    pub fn add(&mut self, path: &str, data: Option<Vec<u8>>) {
        let id = self.number();
        let node = Node {
            id,
            data,
            changed: now(),
        };
        self.nodes.insert(path.to_string(), node);
    }

    pub fn data(&self, path: &str) -> Option<&[u8]> {
        self.nodes.get(path)?.data.as_deref()
    }

    /// The node of an open file.
    pub fn node(&self, file: u64) -> Result<&Node, u32> {
        let handle = self.handles.get(&file).ok_or(status::FILE_CLOSED)?;
        self.nodes.get(&handle.path).ok_or(status::NOT_FOUND)
    }

    pub fn handle(&mut self, file: u64) -> Result<&mut Handle, u32> {
        self.handles.get_mut(&file).ok_or(status::FILE_CLOSED)
    }

    /// CREATE (MS-SMB2 2.2.13): the number of the open file and what was done.
    pub fn open(&mut self, path: &str, disposition: u32, options: u32) -> Result<(u64, u32), u32> {
        const DIRECTORY: u32 = 1;
        const NOT_DIRECTORY: u32 = 0x40;
        const DELETE: u32 = 0x1000;
        let action = match (self.nodes.get(path), disposition) {
            (Some(_), 2) => return Err(status::NAME_COLLISION),
            (Some(node), _) if node.is_directory() && options & NOT_DIRECTORY != 0 => {
                return Err(status::IS_DIRECTORY)
            }
            (Some(node), _) if !node.is_directory() && options & DIRECTORY != 0 => {
                return Err(status::NOT_DIRECTORY)
            }
            (Some(_), 1 | 3) => 1,
            (Some(_), _) => {
                self.add(path, Some(Vec::new()));
                3
            }
            (None, 1 | 4) => return Err(status::NOT_FOUND),
            (None, _) => {
                let parent = path.rsplit_once('\\').map_or("", |(parent, _)| parent);
                if !self.nodes.get(parent).is_some_and(Node::is_directory) {
                    return Err(status::PATH_NOT_FOUND);
                }
                let data = (options & DIRECTORY == 0).then(Vec::new);
                self.add(path, data);
                2
            }
        };
        let file = self.number();
        let handle = Handle {
            path: path.to_string(),
            delete: options & DELETE != 0,
            listed: None,
        };
        self.handles.insert(file, handle);
        Ok((file, action))
    }

    pub fn close(&mut self, file: u64) -> Result<Option<Node>, u32> {
        let handle = self.handles.remove(&file).ok_or(status::FILE_CLOSED)?;
        let node = self.nodes.get(&handle.path).cloned();
        if handle.delete {
            self.nodes.remove(&handle.path);
        }
        Ok(node)
    }

    /// At most `len` bytes from `offset`.
    pub fn read(&self, file: u64, offset: u64, len: u32) -> Result<Vec<u8>, u32> {
        let data = self
            .node(file)?
            .data
            .as_ref()
            .ok_or(status::INVALID_PARAMETER)?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        match data.get(from..) {
            Some(rest) if !rest.is_empty() => Ok(rest[..rest.len().min(len as usize)].to_vec()),
            _ => Err(status::END_OF_FILE),
        }
    }

    pub fn write(&mut self, file: u64, offset: u64, bytes: &[u8]) -> Result<(), u32> {
        let end = offset
            .checked_add(bytes.len() as u64)
            .ok_or(status::DISK_FULL)?;
        if self.node(file)?.len() < end {
            self.resize(file, end)?;
        }
        let from = offset as usize;
        self.with_data(file, |data| {
            data[from..from + bytes.len()].copy_from_slice(bytes);
        })
    }

    pub fn resize(&mut self, file: u64, len: u64) -> Result<(), u32> {
        if len > LARGEST {
            return Err(status::DISK_FULL);
        }
        self.with_data(file, |data| data.resize(len as usize, 0))
    }

    fn with_data(&mut self, file: u64, change: impl FnOnce(&mut Vec<u8>)) -> Result<(), u32> {
        let path = self.handle(file)?.path.clone();
        let node = self.nodes.get_mut(&path).ok_or(status::NOT_FOUND)?;
        change(node.data.as_mut().ok_or(status::INVALID_PARAMETER)?);
        node.changed = now();
        Ok(())
    }

    /// Rename what is open.
    pub fn rename(&mut self, file: u64, to: &str) -> Result<(), u32> {
        let handle = self.handles.get_mut(&file).ok_or(status::FILE_CLOSED)?;
        let node = self.nodes.remove(&handle.path).ok_or(status::NOT_FOUND)?;
        handle.path = to.to_string();
        self.nodes.insert(to.to_string(), node);
        Ok(())
    }

    /// What is directly in a directory, by name.
    pub fn entries(&self, path: &str) -> Vec<(String, Node)> {
        let own = |name: &str| match path {
            "" => Some(name.to_string()),
            _ => Some(name.strip_prefix(path)?.strip_prefix('\\')?.to_string()),
        };
        self.nodes
            .iter()
            .filter_map(|(name, node)| Some((own(name)?, node.clone())))
            .filter(|(name, _)| !name.is_empty() && !name.contains('\\'))
            .collect()
    }
}

/// The time as Windows counts it: 100 ns since 1601.
pub fn now() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    (since.as_secs() + 11_644_473_600) * 10_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_grow_and_end() {
        let mut share = Share::new();
        let (file, made) = share.open("a", 3, 0).unwrap();
        assert_eq!(made, 2);
        share.write(file, 10, b"xyz").unwrap();
        assert_eq!(share.read(file, 9, 100).unwrap(), b"\0xyz");
        assert_eq!(share.read(file, 13, 1), Err(status::END_OF_FILE));
        assert_eq!(share.write(file, u64::MAX, b"x"), Err(status::DISK_FULL));
        assert_eq!(share.open("a\\b", 2, 0), Err(status::PATH_NOT_FOUND));
        share.rename(file, "b").unwrap();
        assert_eq!(share.entries("").len(), 1);
        assert!(share.close(file).is_ok() && share.close(file).is_err());
    }
}
