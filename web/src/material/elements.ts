// Chemical elements: covalent radii (Cordero et al., Dalton Trans. 2008, 2832), Å, for bonds; and which give their electrons away.

const SYMBOLS =
  "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd " +
  "Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac " +
  "Th Pa U Np Pu Am Cm";
const RADII =
  "31 28 128 96 84 76 71 66 57 58 166 141 121 111 107 105 102 106 203 176 170 160 153 139 139 132 126 124 132 122 122 120 119 120 " +
  "120 116 220 195 190 175 164 154 147 146 142 139 145 144 142 139 139 138 139 140 244 215 207 204 203 201 199 198 198 196 194 192 " +
  "192 189 190 187 187 175 170 162 151 144 141 136 136 132 145 146 148 140 150 150 260 221 215 206 200 196 190 187 180 169";

const radii = new Map(SYMBOLS.split(" ").map((symbol, place) => [symbol, Number(RADII.split(" ")[place]) / 100]));

export function radius(symbol: string): number {
  return radii.get(symbol) ?? 1.5;
}

/** Large ions between polyhedra: bonds to them hide the rest. */
const FILLING = new Set(["K", "Rb", "Cs", "Fr", "Sr", "Ba", "Ra"]);

export function fills(symbol: string): boolean {
  return FILLING.has(symbol);
}

const NONMETALS = new Set("H B C N O F Si P S Cl Ge As Se Br Sb Te I At He Ne Ar Kr Xe".split(" "));

export function isMetal(symbol: string): boolean {
  return !NONMETALS.has(symbol);
}
