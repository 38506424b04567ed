using System.Globalization;
using System.Security.Cryptography;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Adapters;

namespace Peft.Orleans.Client.Clusters;

/// <summary>
/// Brings data sets and initial adapter of a run to a remote cluster. Paths are the silos'; what only this machine has is uploaded
/// and named by its hash, so that a second run finds it there.
/// </summary>
internal static class DataUpload
{
    /// <summary>The run with paths that silos can read.</summary>
    /// <exception cref="PeftException">A path means one content here and another there.</exception>
    public static async Task<RunSpec> Run(Terminal terminal, IGrainFactory grains, RunSpec spec, CancellationToken cancellation)
    {
        async Task<string> Place(string key, string path)
        {
            // What is not here can only be the silos'; they refuse what they do not find.
            if (!File.Exists(path)) return path;
            var sha256 = await HashOf(path, cancellation);
            var grain = grains.GetGrain<IDataUploadGrain>(sha256);
            var found = await grain.Find(path);
            if (found.Differs) throw Differs(key, path);
            return found.Path ?? await Send(terminal, grain, path, found.Received, cancellation);
        }

        async Task<string> PlaceAdapter(string folder)
        {
            if (!AdapterFolder.Is(folder)) return folder;
            // What silos would refuse needs no upload.
            _ = AdapterFolder.Read(folder);
            var names = (string[])[AdapterFolder.ConfigName, AdapterFolder.WeightsName];
            var files = await Task.WhenAll(
                names.Select(async name => new UploadedFile(name, await HashOf(Path.Combine(folder, name), cancellation)))
            );
            var grain = grains.GetGrain<IDataUploadGrain>(UploadedFile.KeyOf(files));
            var found = await grain.FindFolder(folder, files);
            if (found.Differs) throw Differs("method.initial_adapter", folder);
            if (found.Path is { } known) return known;
            foreach (var file in files)
            {
                var upload = grains.GetGrain<IDataUploadGrain>(file.Sha256);
                var sent = await upload.Find("");
                if (sent.Path is null) await Send(terminal, upload, Path.Combine(folder, file.Name), sent.Received, cancellation);
            }

            return await grain.CommitFolder(files);
        }

        var data = spec.Data;
        return spec with
        {
            Method = spec.Method with { InitialAdapter = spec.Method.InitialAdapter is { } adapter ? await PlaceAdapter(adapter) : null },
            Data = data with
            {
                Train = data.Train with { Path = await Place("data.train.path", data.Train.Path) },
                Validation = data.Validation is { Path: { } validation } source
                    ? source with
                    {
                        Path = await Place("data.validation.path", validation),
                    }
                    : data.Validation,
                Evaluation = data.Evaluation is { } evaluation
                    ? evaluation with
                    {
                        Path = await Place("data.evaluation.path", evaluation.Path),
                    }
                    : null,
            },
        };
    }

    private static PeftException Differs(string key, string path) =>
        new(
            $"{key}: {path} exists here and on the cluster, with different content; rename one of them, so that it is clear which is meant"
        );

    private static async Task<string> Send(
        Terminal terminal,
        IDataUploadGrain grain,
        string path,
        long offset,
        CancellationToken cancellation
    )
    {
        await using var file = File.OpenRead(path);
        terminal.Note(string.Create(CultureInfo.InvariantCulture, $"uploading {path} ({file.Length - offset:N0} bytes)"));
        file.Position = Math.Min(offset, file.Length);
        var buffer = new byte[DataLocation.LargestChunk];
        int read;
        while ((read = await file.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellation)) > 0)
            await grain.Append(file.Position - read, buffer[..read]);
        return await grain.Commit();
    }

    private static async Task<string> HashOf(string path, CancellationToken cancellation)
    {
        await using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancellation));
    }
}
