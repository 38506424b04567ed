using Microsoft.Win32.SafeHandles;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets.Files;

namespace Peft.Orleans.Data.Datasets.Indexes;

/// <summary>
/// Reads records where they lie. Text that is packed is unpacked once, beside the run; a record that is not what the index was made of is
/// refused. Safe to use from several threads.
/// </summary>
/// <param name="files">The files of the index.</param>
/// <param name="folder">The run's folder; null: none, and what is unpacked is gone with the process.</param>
internal sealed class RecordStore(IReadOnlyList<IndexedFile> files, RunFolder? folder) : IDisposable
{
    private readonly Lock gate = new();
    private readonly IDisposable?[] owners = new IDisposable?[files.Count];
    private readonly SafeFileHandle?[] handles = new SafeFileHandle?[files.Count];

    /// <summary>A record's text.</summary>
    /// <exception cref="PeftException">The file is another one than when the index was made.</exception>
    public byte[] Read(int file, SampleEntry entry)
    {
        var text = new byte[entry.Bytes];
        var done = 0;
        try
        {
            var handle = Open(file);
            int read;
            while (done < text.Length && (read = RandomAccess.Read(handle, text.AsSpan(done), entry.Offset + done)) > 0) done += read;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PeftException($"{files[file].Path}: cannot be read: {error.Message}", error);
        }

        if (done == text.Length && DataPass.HashOf(text) == entry.Hash) return text;
        throw files[file].Refused(
            entry.Number,
            files[file].Packed && folder is not null
                ? $"{folder.Unpacked(files[file].Sha256)} is damaged; remove it, and resume the run"
                : "the file was written to since the run was created; put it back as it was, or start another run");
    }

    public void Dispose()
    {
        foreach (var owner in owners) owner?.Dispose();
    }

    private SafeFileHandle Open(int index)
    {
        lock (gate)
        {
            if (handles[index] is { } open) return open;
            var file = files[index];
            if (!file.Packed)
            {
                var plain = File.OpenHandle(file.Path, options: FileOptions.RandomAccess);
                owners[index] = plain;
                return handles[index] = plain;
            }

            var unpacked = Unpacked(file);
            owners[index] = unpacked;
            return handles[index] = unpacked.SafeFileHandle;
        }
    }

    private FileStream Unpacked(IndexedFile file)
    {
        var target = folder?.Unpacked(file.Sha256);
        if (target is not null && new FileInfo(target) is { Exists: true } there && there.Length >= file.TextBytes)
            return new FileStream(target, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 1, FileOptions.RandomAccess);
        var text = Scratch.Create(target);
        try
        {
            new RecordFile(file.Path).Unpack(text);
        }
        catch (IOException error)
        {
            Scratch.Abandon(text, target);
            throw Scratch.Unwritable(target, error);
        }
        catch (PeftException)
        {
            Scratch.Abandon(text, target);
            throw;
        }

        return Scratch.Finish(text, target);
    }
}
