using System.Xml.Linq;

namespace Peft.Orleans.Architecture.Tests;

/// <summary>Core is what everyone stands on: it refers to nothing that its code does not use.</summary>
public sealed class ReferencesTests
{
    [Fact]
    public void Core_uses_every_package_that_it_names()
    {
        var project = Path.Combine(Peft.Orleans.Tests.SharedFolder.RepositoryRoot, "src", "Core", "Core.csproj");
        string[] used = [.. Product.Assemblies["Core"].GetReferencedAssemblies().Select(static name => name.Name!)];
        // The SDK of Orleans is many assemblies, and what writes the serializers.
        var unused = XDocument.Load(project).Descendants("PackageReference").Select(static item => item.Attribute("Include")!.Value)
            .Where(package => package == "Microsoft.Orleans.Sdk"
                ? !used.Any(static name => name.StartsWith("Orleans.", StringComparison.Ordinal))
                : !used.Contains(package));
        Broken.None(unused);
    }
}
