using System.Security.Cryptography.X509Certificates;

namespace Peft.Orleans.Core.Security;

/// <summary>The role that a certificate gives: by an organizational unit of its subject, or by the DNS name of silos.</summary>
public static class CertificateRole
{
    /// <summary>Organizational unit of operators.</summary>
    public const string Operator = "peft-operator";

    /// <summary>Organizational unit of those who may look.</summary>
    public const string ReadOnly = "peft-read-only";

    private const string OrganizationalUnit = "2.5.4.11";

    /// <summary>The highest role that a certificate gives; whether it is to be believed is another question.</summary>
    public static Role Of(X509Certificate2 certificate, string siloName)
    {
        if (certificate.MatchesHostname(siloName, allowWildcards: true, allowCommonName: false)) return Role.Silo;
        var role = Role.None;
        foreach (var part in certificate.SubjectName.EnumerateRelativeDistinguishedNames())
        {
            // Of several attributes in one part it cannot be said which is meant: it counts for nothing.
            if (part.HasMultipleElements || part.GetSingleElementType().Value != OrganizationalUnit) continue;
            var unit = part.GetSingleElementValue();
            if (unit == Operator) role = Role.Operator;
            else if (unit == ReadOnly && role == Role.None) role = Role.ReadOnly;
        }

        return role;
    }
}
