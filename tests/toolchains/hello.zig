const std = @import("std");

extern "wasi_snapshot_preview1" fn fd_write(fd: i32, iovs: *const [1]Piece, count: usize, written: *usize) u16;

const Piece = extern struct { base: [*]const u8, len: usize };

pub fn main() !void {
    var list: std.ArrayList(u8) = .empty;
    defer list.deinit(std.heap.page_allocator);
    try list.print(std.heap.page_allocator, "{{\"ok\": {}}}\n", .{list.items.len == 0});
    const pieces = [1]Piece{.{ .base = list.items.ptr, .len = list.items.len }};
    var written: usize = 0;
    if (fd_write(1, &pieces, 1, &written) != 0) return error.NotWritten;
}
