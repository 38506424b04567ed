using Peft.Orleans.Core;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Client.Checks;

/// <summary>
/// What can be refused of an adapter that is computed with, before any silo starts: its configuration, and the names and shapes of
/// its tensors.
/// </summary>
internal static class AdapterChecks
{
    /// <summary>Checks an adapter folder against a model.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="option">What named it, for messages.</param>
    /// <param name="model">The model.</param>
    /// <exception cref="PeftException">Names file and key or tensor, and what to do.</exception>
    internal static void Check(string folder, string option, ModelFolder model)
    {
        if (!AdapterFolder.Is(folder))
            throw new PeftException($"{option} {folder}: no {AdapterFolder.ConfigName} in it; name an adapter folder");
        _ = AdapterFolder.Read(folder).MethodIn(model);
    }
}
