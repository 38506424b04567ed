using System.Diagnostics;
using System.Globalization;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Security;

/// <summary>
/// Certificate, key and authorities as a mounted secret: files are links by way of <c>..data</c>, which a change points elsewhere at once.
/// </summary>
internal sealed class CertificateFolder
{
    private int versions;

    internal CertificateFolder(string folder, (string Certificate, string Key) given, string authorities)
    {
        Folder = folder;
        Directory.CreateDirectory(folder);
        Change(given, authorities);
        foreach (var name in (string[])["tls.crt", "tls.key", "ca.crt"])
            File.CreateSymbolicLink(Path.Combine(folder, name), Path.Combine("..data", name));
    }

    internal string Folder { get; }

    internal string Certificate => Path.Combine(Folder, "tls.crt");

    internal string Key => Path.Combine(Folder, "tls.key");

    internal string Authorities => Path.Combine(Folder, "ca.crt");

    internal string[] Options => ["--tls-certificate", Certificate, "--tls-key", Key, "--tls-ca", Authorities];

    /// <summary>Puts others in their place, as a kubelet does.</summary>
    internal void Change((string Certificate, string Key) given, string authorities)
    {
        var version = string.Create(CultureInfo.InvariantCulture, $"..version-{++versions}");
        var target = Path.Combine(Folder, version);
        Directory.CreateDirectory(target);
        File.WriteAllText(Path.Combine(target, "tls.crt"), given.Certificate);
        File.WriteAllText(Path.Combine(target, "tls.key"), given.Key);
        File.WriteAllText(Path.Combine(target, "ca.crt"), authorities);
        var link = Path.Combine(Folder, "..data");
        File.CreateSymbolicLink(link + ".new", version);
        // Atomic, as a kubelet's: .NET would follow the link.
        using var moved = Process.Start("mv", ["-T", link + ".new", link]);
        moved.WaitForExit();
        Assert.Equal(0, moved.ExitCode);
    }
}
