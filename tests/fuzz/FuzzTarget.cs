using CsCheck;

namespace Peft.Orleans.Fuzz;

/// <summary>Something that reads what others wrote.</summary>
internal abstract class FuzzTarget : IDisposable
{
    /// <summary>All of them.</summary>
    internal static IReadOnlyDictionary<string, Func<FuzzTarget>> All { get; } = new Dictionary<string, Func<FuzzTarget>>
    {
        ["safetensors"] = static () => new SafeTensorsTarget(),
        ["index"] = static () => new IndexTarget(),
        ["tokenizer"] = static () => new TokenizerTarget(),
        ["template"] = static () => new TemplateTarget(),
        ["run"] = static () => new RunFileTarget(),
        ["frames"] = static () => new FramesTarget(),
        ["proofs"] = static () => new ProofsTarget(),
        ["http"] = static () => new HttpTarget(),
    };

    /// <summary>Inputs.</summary>
    internal abstract Gen<byte[]> Inputs { get; }

    /// <summary>Memory that is to stay flat, bytes.</summary>
    internal virtual long Memory
    {
        get
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            GC.Collect();
            using var self = System.Diagnostics.Process.GetCurrentProcess();
            return self.WorkingSet64;
        }
    }

    /// <summary>Reads an input.</summary>
    /// <returns>Whether it was accepted; false: refused as documented.</returns>
    internal abstract bool Read(byte[] input);

    public virtual void Dispose()
    {
    }
}
