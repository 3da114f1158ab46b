const words = new Map<string, i32>();
for (let i = 0; i < 100; i++) words.set(i.toString(), i);
console.log(`{"ok": ${(words.size == 100).toString()}}`);
